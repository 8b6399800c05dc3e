use std::time::Instant;

use super::*;

#[test]
fn a_star_gives_every_column_with_its_own_name_and_type() {
    let all = select("SELECT * FROM dbo.person", &people()).unwrap();
    let names: Vec<_> = all
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["id", "name", "age", "boss"]);
    assert_eq!(all.columns[2].sql_type, SqlType::TinyInt);
    assert_eq!(all.rows.len(), 4);
    assert_eq!(
        rows(
            "SELECT r.*, p.id FROM dbo.person p JOIN dbo.room AS r ON r.owner = p.id WHERE p.id = 4"
        ),
        [[int(12), int(4), text("Cellar"), int(4)]]
    );
}

#[test]
fn columns_are_named_by_alias_else_by_column_else_not_at_all() {
    let sql =
        "SELECT p.ID, name AS who, age + 1, [boss] [the boss], y = 2, 'x' AS 'q' FROM dbo.person p";
    let result = select(sql, &people()).unwrap();
    let names: Vec<_> = result
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["ID", "who", "", "the boss", "y", "q"]);
}

#[test]
fn a_select_without_from_gives_one_row() {
    assert_eq!(
        rows("SELECT 1, N'a', @name, @@SPID;"),
        [[int(1), text("a"), text("ANN"), int(51)]]
    );
    assert!(rows("SELECT 1 WHERE 1 = 0").is_empty());
}

#[test]
fn an_inner_join_drops_and_a_left_join_keeps_what_has_no_match() {
    let inner = "SELECT p.name, r.title FROM dbo.person p INNER JOIN dbo.room r ON p.id = r.owner ORDER BY r.id";
    assert_eq!(
        rows(inner),
        [
            [text("Ann"), text("Lobby")],
            [text("Ann"), text("attic")],
            [text("Dan"), text("Cellar")]
        ]
    );
    let left = "SELECT p.name, r.title FROM dbo.person p LEFT OUTER JOIN dbo.room r ON p.id = r.owner AND r.title LIKE 'l%' ORDER BY p.id";
    assert_eq!(
        rows(left),
        [
            [text("Ann"), text("Lobby")],
            [text("bob"), Datum::Null],
            [text("Cid"), Datum::Null],
            [text("Dan"), Datum::Null]
        ]
    );
}

#[test]
fn where_on_the_right_of_a_left_join_is_asked_after_the_join() {
    let sql = "SELECT p.name FROM dbo.person p LEFT JOIN dbo.room r ON r.owner = p.id WHERE r.id IS NULL ORDER BY 1";
    assert_eq!(column(sql), [text("bob"), text("Cid")]);
}

#[test]
fn where_on_the_left_of_a_left_join_drops_rows() {
    let sql =
        "SELECT p.name FROM dbo.person p LEFT JOIN dbo.room r ON r.owner = p.id WHERE p.id = 2";
    assert_eq!(column(sql), [text("bob")]);
}

#[test]
fn a_condition_on_the_left_table_in_on_keeps_its_rows() {
    let sql = "SELECT p.id, r.id FROM dbo.person p LEFT JOIN dbo.room r ON r.owner = p.id AND p.id = 4 ORDER BY p.id";
    assert_eq!(
        rows(sql),
        [
            [int(1), Datum::Null],
            [int(2), Datum::Null],
            [int(3), Datum::Null],
            [int(4), int(12)]
        ]
    );
}

#[test]
fn a_cross_join_and_a_comma_pair_every_row() {
    assert_eq!(
        column("SELECT COUNT(*) FROM dbo.person CROSS JOIN dbo.room"),
        [int(16)]
    );
    assert_eq!(
        column("SELECT COUNT(*) FROM dbo.person, dbo.room"),
        [int(16)]
    );
    assert_eq!(
        column(
            "SELECT title FROM dbo.person p, dbo.room r WHERE p.id = r.owner AND p.name = 'dan'"
        ),
        [text("Cellar")]
    );
}

#[test]
fn null_joins_nothing() {
    let sql = "SELECT COUNT(*) FROM dbo.room a JOIN dbo.room b ON a.owner = b.owner";
    assert_eq!(column(sql), [int(5)]);
}

#[test]
fn a_table_may_be_joined_to_itself() {
    let sql = "SELECT w.name, b.name boss FROM dbo.person w JOIN dbo.person b ON b.id = w.boss ORDER BY w.name DESC";
    assert_eq!(
        rows(sql),
        [
            [text("Dan"), text("bob")],
            [text("Cid"), text("Ann")],
            [text("bob"), text("Ann")]
        ]
    );
}

#[test]
fn exists_looks_at_the_row_outside() {
    let sql = "SELECT name FROM dbo.person p WHERE EXISTS (SELECT * FROM dbo.room r WHERE r.owner = p.id)";
    assert_eq!(column(sql), [text("Ann"), text("Dan")]);
    let sql = "SELECT name FROM dbo.person p WHERE NOT EXISTS (SELECT 1 FROM dbo.room WHERE owner = p.id AND title <> p.name)";
    assert_eq!(column(sql), [text("bob"), text("Cid")]);
}

#[test]
fn in_knows_lists_and_subqueries_and_nulls() {
    assert_eq!(
        column("SELECT id FROM dbo.person WHERE name IN (N'DAN', 'x', @name)"),
        [int(1), int(4)]
    );
    assert_eq!(
        column("SELECT id FROM dbo.person WHERE id IN (SELECT owner FROM dbo.room)"),
        [int(1), int(4)]
    );
    // A NULL in the list makes NOT IN unknown for every value that is not in it.
    assert!(
        column("SELECT id FROM dbo.person WHERE id NOT IN (SELECT owner FROM dbo.room)").is_empty()
    );
    assert_eq!(
        column(
            "SELECT id FROM dbo.person WHERE id NOT IN (SELECT owner FROM dbo.room WHERE owner IS NOT NULL)"
        ),
        [int(2), int(3)]
    );
    assert_eq!(
        column(
            "SELECT id FROM dbo.person p WHERE 'attic' IN (SELECT title FROM dbo.room WHERE owner = p.id)"
        ),
        [int(1)]
    );
    // NULL is in no empty set, and not outside of it either.
    assert_eq!(
        column("SELECT 1 WHERE NULL NOT IN (SELECT id FROM dbo.person WHERE 1 = 0)"),
        [int(1)]
    );
    assert_eq!(
        column("SELECT id FROM dbo.person WHERE id IN (SELECT '4')"),
        [int(4)]
    );
}

#[test]
fn a_scalar_subquery_is_null_without_rows() {
    assert_eq!(
        rows("SELECT (SELECT MAX(id) FROM dbo.room), (SELECT id FROM dbo.room WHERE 1 = 0)"),
        [[int(13), Datum::Null]]
    );
    let sql = "SELECT name, (SELECT COUNT(*) FROM dbo.room r WHERE r.owner = p.id) AS rooms FROM dbo.person p ORDER BY rooms DESC, name";
    assert_eq!(
        rows(sql),
        [
            [text("Ann"), int(2)],
            [text("Dan"), int(1)],
            [text("bob"), int(0)],
            [text("Cid"), int(0)]
        ]
    );
}

#[test]
fn a_subquery_inside_a_subquery_sees_the_outermost_row() {
    let sql = "SELECT name FROM dbo.person p WHERE EXISTS (SELECT 1 FROM dbo.room r WHERE r.id IN (SELECT q.id FROM dbo.room q WHERE q.owner = p.id AND q.title = 'CELLAR'))";
    assert_eq!(column(sql), [text("Dan")]);
}

#[test]
fn groups_have_their_aggregates() {
    let sql = "SELECT age, COUNT(*), COUNT(boss) c, MAX(name) AS last, SUM(id) FROM dbo.person GROUP BY age ORDER BY age";
    assert_eq!(
        rows(sql),
        [
            [Datum::Null, int(1), int(1), text("Cid"), int(3)],
            [int(30), int(2), int(2), text("Dan"), int(6)],
            [int(40), int(1), int(0), text("Ann"), int(1)]
        ]
    );
    let sql = "SELECT age FROM dbo.person GROUP BY age HAVING COUNT(*) > 1";
    assert_eq!(column(sql), [int(30)]);
    let sql = "SELECT UPPER(name) + '!' FROM dbo.person WHERE age = 30 GROUP BY UPPER(name) ORDER BY MIN(id) DESC";
    assert_eq!(column(sql), [text("DAN!"), text("BOB!")]);
}

#[test]
fn aggregates_leave_nulls_out_and_are_null_over_nothing() {
    assert_eq!(
        rows(
            "SELECT COUNT(*), COUNT(age), MIN(age), SUM(age), AVG(age), COUNT(DISTINCT age), COUNT_BIG(*) FROM dbo.person"
        ),
        [[int(4), int(3), int(30), int(100), int(33), int(2), int(4)]]
    );
    assert_eq!(
        rows("SELECT COUNT(*), MAX(id), SUM(id) FROM dbo.person WHERE 1 = 0"),
        [[int(0), Datum::Null, Datum::Null]]
    );
    assert!(rows("SELECT age, COUNT(*) FROM dbo.person WHERE 1 = 0 GROUP BY age").is_empty());
    let types = select("SELECT COUNT(*), COUNT_BIG(*), SUM(CAST(id AS bigint)), MAX(age), SUM(1.5) FROM dbo.person", &people()).unwrap();
    let types: Vec<_> = types.columns.iter().map(|column| column.sql_type).collect();
    assert_eq!(
        types,
        [
            SqlType::Int,
            SqlType::BigInt,
            SqlType::BigInt,
            SqlType::TinyInt,
            SqlType::Numeric(38, 1)
        ]
    );
}

#[test]
fn a_group_may_be_read_by_a_subquery() {
    let sql = "SELECT boss, (SELECT name FROM dbo.person b WHERE b.id = p.boss) FROM dbo.person p WHERE boss IS NOT NULL GROUP BY boss ORDER BY boss";
    assert_eq!(rows(sql), [[int(1), text("Ann")], [int(2), text("bob")]]);
}

#[test]
fn order_by_sorts_nulls_first_and_texts_without_case() {
    assert_eq!(
        column("SELECT age FROM dbo.person ORDER BY age"),
        [Datum::Null, int(30), int(30), int(40)]
    );
    assert_eq!(
        column("SELECT title FROM dbo.room ORDER BY title"),
        [text("attic"), text("Cellar"), text("Lobby"), text("Yard")]
    );
    assert_eq!(
        column("SELECT id FROM dbo.person ORDER BY age DESC, id DESC"),
        [int(1), int(4), int(2), int(3)]
    );
    assert_eq!(
        column("SELECT id AS x FROM dbo.person ORDER BY id * 0, LEN(name), 1 DESC"),
        [int(4), int(3), int(2), int(1)]
    );
}

#[test]
fn an_alias_hides_a_column_in_order_by() {
    assert_eq!(
        column("SELECT 0 - id AS id FROM dbo.person ORDER BY id"),
        [int(-4), int(-3), int(-2), int(-1)]
    );
}

#[test]
fn top_takes_the_first_rows_of_the_order() {
    assert_eq!(
        column("SELECT TOP (2) id FROM dbo.person ORDER BY id DESC"),
        [int(4), int(3)]
    );
    assert_eq!(column("SELECT TOP 1 id FROM dbo.person"), [int(1)]);
    assert!(column("SELECT TOP (0) id FROM dbo.person").is_empty());
    assert_eq!(column("SELECT TOP (@@SPID) id FROM dbo.person").len(), 4);
    assert_eq!(
        column(
            "SELECT name FROM dbo.person WHERE id = (SELECT TOP (1) owner FROM dbo.room ORDER BY id DESC) OR id IN (SELECT TOP (1) owner FROM dbo.room WHERE owner IS NOT NULL)"
        ),
        [text("Ann")]
    );
}

#[test]
fn distinct_shows_equal_rows_once() {
    assert_eq!(
        column("SELECT DISTINCT age FROM dbo.person ORDER BY age DESC"),
        [int(40), int(30), Datum::Null]
    );
    assert_eq!(
        column("SELECT DISTINCT TOP (1) age FROM dbo.person ORDER BY age DESC"),
        [int(40)]
    );
    assert_eq!(
        column("SELECT DISTINCT x FROM (SELECT 'a' AS x UNION ALL SELECT 'A ') AS t"),
        [text("a")]
    );
}

#[test]
fn union_all_keeps_and_union_drops_equal_rows() {
    let sql =
        "SELECT age AS x FROM dbo.person UNION ALL SELECT 30 UNION ALL SELECT NULL ORDER BY x DESC";
    let result = select(sql, &people()).unwrap();
    assert_eq!(result.columns, [Column::new("x", SqlType::Int)]);
    assert_eq!(result.rows.len(), 6);
    assert_eq!(result.rows[0], [int(40)]);
    assert_eq!(
        column("SELECT 1 UNION SELECT 2 UNION SELECT 1"),
        [int(1), int(2)]
    );
    assert_eq!(
        column("SELECT NULL UNION ALL SELECT 'a'"),
        [Datum::Null, text("a")]
    );
}

#[test]
fn a_query_may_stand_in_from() {
    let sql = "SELECT t.who FROM (SELECT TOP (2) name AS who FROM dbo.person ORDER BY id DESC) AS t WHERE t.who LIKE '%a%'";
    assert_eq!(column(sql), [text("Dan")]);
}

#[test]
fn lock_hints_change_nothing() {
    assert_eq!(
        column("SELECT id FROM dbo.person AS p WITH (NOLOCK) WHERE id = 1"),
        [int(1)]
    );
    assert_eq!(
        column("SELECT id FROM dbo.person WITH (NOLOCK, READUNCOMMITTED) WHERE id = 1"),
        [int(1)]
    );
    assert_eq!(
        column("SELECT id FROM dbo.person (NOLOCK) WHERE id = 1"),
        [int(1)]
    );
}

#[test]
fn names_have_up_to_four_parts_and_no_case() {
    let one = |sql: &str| assert_eq!(column(sql), [int(1)], "{sql}");
    one("SELECT ID FROM DBO.[Person] WHERE [NAME] = 'ann'");
    one("SELECT person.id FROM dbo.person WHERE dbo.person.name = 'ann'");
    one("SELECT master.dbo.person.id FROM master.dbo.person WHERE dbo.person.name = 'ann'");
    assert_eq!(
        column("SELECT t.[a]]b] FROM (SELECT 1 AS [a]]b]) AS t"),
        [int(1)]
    );
    one("SELECT \"id\" FROM \"dbo\".\"person\" WHERE \"name\" = 'ann'");
}

#[test]
fn a_table_is_read_once_a_reference() {
    let fake = people();
    let sql = "SELECT COUNT(*) FROM dbo.person p JOIN dbo.person q ON q.id = p.id WHERE EXISTS (SELECT 1 FROM dbo.room r WHERE r.owner = p.id)";
    select(sql, &fake).unwrap();
    assert_eq!(fake.reads.get(), 3);
}

#[test]
fn a_comment_is_no_part_of_the_statement() {
    assert_eq!(
        column("-- which\nSELECT /* all /* of */ them */ id FROM dbo.person WHERE id = 1 -- end"),
        [int(1)]
    );
}

/// 5,000 restores of 5,000 sets on 5,000 files.
fn history() -> Fake {
    let many = |row: &dyn Fn(i64) -> Vec<Datum>| (0..5_000).map(row).collect::<Vec<_>>();
    let id = SqlType::Int;
    Fake::default()
        .with(
            "h",
            &[
                ("restore_history_id", id),
                ("destination", TEXT),
                ("backup_set_id", id),
            ],
            many(&|n| vec![int(n), text("mgc"), int(4_999 - n)]),
        )
        .with(
            "b",
            &[
                ("backup_set_id", id),
                ("media_set_id", id),
                ("last_lsn", SqlType::Numeric(25, 0)),
            ],
            many(&|n| vec![int(n), int(n), lsn(i128::from(n))]),
        )
        .with(
            "f",
            &[("media_set_id", id), ("device", TEXT)],
            many(&|n| vec![int(n), text(&format!(r"E:\copy\mgc_{n:08}.trn"))]),
        )
}

#[test]
fn joins_of_long_histories_are_quick() {
    let fake = history();
    let sql = "SELECT TOP (10) h.restore_history_id, b.last_lsn, f.device FROM h LEFT JOIN b ON b.backup_set_id = h.backup_set_id LEFT JOIN f ON f.media_set_id = b.media_set_id WHERE h.destination = N'MGC' ORDER BY h.restore_history_id DESC";
    let start = Instant::now();
    let result = select(sql, &fake).unwrap();
    let spent = start.elapsed();
    assert_eq!(result.rows.len(), 10);
    assert_eq!(
        result.rows[0],
        [int(4_999), lsn(0), text(r"E:\copy\mgc_00000000.trn")]
    );
    let sql = "SELECT COUNT(*) FROM h WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.backup_set_id = h.backup_set_id AND b.media_set_id > 10) AND h.backup_set_id IN (SELECT media_set_id FROM f)";
    assert_eq!(select(sql, &fake).unwrap().rows, [[int(11)]]);
    // Nested loops would take minutes.
    assert!(spent.as_millis() < 2_000, "{spent:?}");
}
