#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::token::tokenize;
use super::*;

proptest! {
    #[test]
    fn no_text_makes_the_tokenizer_or_the_parser_panic(text in any::<String>()) {
        let _ = tokenize(&text);
        let _ = parse(&text);
    }

    #[test]
    fn no_heap_of_sql_words_makes_the_parser_panic(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "SELECT", "@x", "=", "1", ",", "FROM", "CASE", "END", "IF", "ELSE", "BEGIN", "EXEC",
                "RESTORE", "LOG", "DATABASE", "[m]", "DISK", "N'a'", "WITH", "FILE", "(", ")", ";",
                "DECLARE", "int", "SET", "KILL", "-", "ALTER", ".", "UNION", "ALL", "'", "/*", "*/",
                "é", "0x", "MOVE", "TO",
            ]),
            0..24,
        )
    ) {
        let _ = parse(&words.join(" "));
    }
}

fn one(sql: &str) -> Statement {
    let mut statements = parse(sql).unwrap();
    assert_eq!(statements.len(), 1, "{sql}: {statements:?}");
    statements.remove(0)
}

#[test]
fn tokens_cover_the_text_that_is_no_comment_or_space() {
    let sql = "\u{feff}a/* x /* y */ 'z' */N'it''s' -- end\n[b]]c].@v";
    let shown: Vec<&str> = tokenize(sql)
        .unwrap()
        .iter()
        .map(|t| &sql[t.start..t.end])
        .collect();
    assert_eq!(shown, ["a", "N'it''s'", "[b]]c]", ".", "@v"]);
}

#[test]
fn what_has_no_end_is_refused() {
    for (sql, number) in [("'a", 105), ("[a", 105), ("/* /* */", 113)] {
        assert_eq!(tokenize(sql).unwrap_err().number, number, "{sql}");
    }
}

#[test]
fn a_batch_is_cut_at_semicolons_and_at_the_next_statement() {
    let sql =
        "DECLARE @rc int; EXEC @rc = master.dbo.sp_x @secondary_database = @db; SELECT @rc AS rc";
    assert_eq!(parse(sql).unwrap().len(), 3);
    let sql = "USE master SET NOCOUNT ON SELECT 1 UNION ALL SELECT CASE WHEN 1 = 1 THEN 2 ELSE 3 END SELECT 4";
    let statements = parse(sql).unwrap();
    assert_eq!(statements.len(), 4);
    assert_eq!(statements[3], Statement::Select("SELECT 4".into()));
}

#[test]
fn a_restore_of_a_log_is_read_with_its_options() {
    let Statement::Restore(media) =
        one("RESTORE LOG [mgc] FROM DISK = N'\\\\fs1\\a''b.trn' WITH FILE = 2, NORECOVERY")
    else {
        panic!()
    };
    assert_eq!(media.subject, Subject::Log);
    assert_eq!(media.database, Some(Expr::text("mgc")));
    assert_eq!(media.disk, Some(Expr::text(r"\\fs1\a'b.trn")));
    assert!(media.has("NORECOVERY") && !media.has("RECOVERY"));
    assert!(matches!(
        media.value("FILE"),
        Some(Expr::Literal(_, Datum::Int(2)))
    ));
}

#[test]
fn a_database_and_a_device_may_be_variables() {
    let Statement::Restore(media) = one("restore log @db from disk=@file with file=@n,norecovery")
    else {
        panic!()
    };
    assert_eq!(media.database, Some(Expr::Variable("@DB".into())));
    assert_eq!(media.disk, Some(Expr::Variable("@FILE".into())));
}

#[test]
fn a_procedure_may_be_called_without_exec_at_the_beginning_and_with_a_bare_word() {
    for sql in [
        "sp_delete_log_shipping_secondary_database mgc",
        "exec sp_delete_log_shipping_secondary_database mgc",
    ] {
        let Statement::Exec { arguments, .. } = one(sql) else {
            panic!()
        };
        assert_eq!(arguments[0].value, Expr::text("mgc"));
    }
}

#[test]
fn a_select_that_assigns_keeps_its_source() {
    assert_eq!(
        one("SELECT @a = COUNT(*), @b = MAX(x) FROM t WHERE x IN (SELECT y FROM u)"),
        Statement::Assign {
            variables: vec!["@A".into(), "@B".into()],
            sql: "SELECT COUNT(*) AS a0, MAX(x) AS a1 FROM t WHERE x IN (SELECT y FROM u)".into(),
        }
    );
}

#[test]
fn an_if_takes_one_statement_or_a_block() {
    let Statement::If { condition, yes, no } =
        one("IF EXISTS (SELECT 1) BEGIN PRINT 'a'; PRINT 'b' END ELSE PRINT 'c'")
    else {
        panic!()
    };
    assert_eq!(condition, "EXISTS (SELECT 1)");
    assert_eq!((yes.len(), no.len()), (2, 1));
}

#[test]
fn what_is_not_known_is_a_syntax_error() {
    for sql in [
        "RESTORE LOG mgc FROM DISK = 'a' WITH STANDBY",
        "RESTORE DATABASE mgc FROM DISK = 'a' WITH STANDBY = 'b'",
        "RESTORE LOG mgc WITH RECOVERY",
        "RESTORE DATABASE mgc FROM DISK = 'a', DISK = 'b'",
        "KILL @x",
        "CREATE TABLE x (y int)",
        "INSERT INTO x VALUES (1)",
        "ALTER DATABASE mgc SET SINGLE_USER WITH ROLLBACK",
    ] {
        assert_eq!(parse(sql).unwrap_err().number, 102, "{sql}");
    }
}

#[test]
fn effects_are_told_from_reads() {
    let effect = |sql: &str| parse(sql).unwrap().iter().any(Statement::is_effect);
    assert!(!effect("RESTORE HEADERONLY FROM DISK = 'a'"));
    assert!(!effect(
        "EXEC master.dbo.sp_getapplock @Resource = 'x', @LockMode = 'Exclusive'"
    ));
    assert!(!effect("KILL 55 WITH STATUSONLY"));
    assert!(effect("KILL 55"));
    assert!(effect("RESTORE DATABASE mgc WITH RECOVERY"));
    assert!(effect(
        "EXEC msdb.dbo.sp_update_job @job_id = 'x', @enabled = 0"
    ));
}

#[test]
fn a_delay_is_read_or_refused() {
    assert_eq!(delay("00:00:05"), Some(Duration::from_secs(5)));
    for text in ["", "5", "25:00", "00:00:-1", "00:61", "1:1:1:1"] {
        assert_eq!(delay(text), None, "{text}");
    }
}
