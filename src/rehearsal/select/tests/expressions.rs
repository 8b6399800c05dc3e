use super::*;

use SqlType::{BigInt, Bit, DateTime2, Float, Int, NVarChar, Numeric, VarBinary, VarChar};

fn is(expression: &str, sql_type: SqlType, datum: Datum) {
    assert_eq!(value(expression), (sql_type, datum), "{expression}");
}

fn shows(expression: &str, shown: &str) {
    assert_eq!(value(expression).1, text(shown), "{expression}");
}

/// Truth of a condition; `None` = unknown.
fn truth(condition: &str) -> Option<bool> {
    let sql = format!("CASE WHEN {condition} THEN 1 WHEN NOT ({condition}) THEN 0 END");
    match value(&sql).1 {
        Datum::Int(truth) => Some(truth == 1),
        _ => None,
    }
}

#[test]
fn literals_have_the_types_of_t_sql() {
    is("1", Int, int(1));
    is("-2147483648", Numeric(10, 0), lsn(-2_147_483_648));
    is("4294967296", Numeric(10, 0), lsn(4_294_967_296));
    is("1.50", Numeric(3, 2), lsn(150));
    is("1e3", Float, Datum::Float(1000.0));
    is("'it''s'", VarChar(Some(4)), text("it's"));
    is("N'é'", NVarChar(Some(1)), text("é"));
    is("n'it''s'", NVarChar(Some(4)), text("it's"));
    is(r"'a\'", VarChar(Some(2)), text(r"a\"));
    is("''", VarChar(Some(1)), text(""));
    is("0x0aFF", VarBinary(Some(2)), Datum::Bytes(vec![10, 255]));
    is("NULL", Int, Datum::Null);
}

#[test]
fn integers_are_divided_as_integers_and_checked() {
    is("7 / 2", Int, int(3));
    is("-7 % 4", Int, int(-3));
    is("2 + 3 * 4 - 1", Int, int(13));
    is("10 - 4 - 3", Int, int(3));
    is("CAST(8 AS bigint) * 8192", BigInt, int(65_536));
    is("6 & 3 | 8", Int, int(10));
    is("4 & (1 + 2)", Int, int(0));
    is("1 + 2 & 2 * 1", Int, int(2));
    is("1 + NULL", Int, Datum::Null);
    is("'4' + 1", Int, int(5));
    is("- 5", Int, int(-5));
}

#[test]
fn numerics_have_the_documented_precision() {
    is("1.0 / 3", Numeric(7, 6), lsn(333_333));
    is("1.5 + 2", Numeric(3, 1), lsn(35));
    is("1.25 * 2.5", Numeric(6, 3), lsn(3_125));
    is("CAST(1 AS numeric(25,0)) + 1", Numeric(26, 0), lsn(2));
    is("7.5 % 2", Numeric(2, 1), lsn(15));
    is("CAST(2.345 AS numeric(5,2))", Numeric(5, 2), lsn(235));
    is("CAST(-2.345 AS numeric(5,2))", Numeric(5, 2), lsn(-235));
    is("1e0 / 4", Float, Datum::Float(0.25));
}

#[test]
fn an_lsn_is_shown_in_plain_digits() {
    shows(
        "CAST(CAST(34000000026400001 AS numeric(25,0)) AS varchar(25))",
        "34000000026400001",
    );
    shows(
        "CONVERT(varchar(25), CAST('1234567890123456789012345' AS numeric(25,0)))",
        "1234567890123456789012345",
    );
    shows("CAST(-0.05 AS varchar(10))", "-0.05");
}

#[test]
fn texts_join_and_null_swallows_them() {
    is("N'a' + 'bc'", NVarChar(Some(3)), text("abc"));
    is("'a' + NULL", VarChar(Some(2)), Datum::Null);
    is(
        "'x' + CAST(12 AS varchar(5)) + 'y'",
        VarChar(Some(7)),
        text("x12y"),
    );
    is(
        "CAST('a' AS nvarchar(max)) + 'b'",
        NVarChar(None),
        text("ab"),
    );
}

#[test]
fn texts_compare_without_case_and_without_trailing_blanks() {
    assert_eq!(truth("'MGC' = N'mgc  '"), Some(true));
    assert_eq!(truth("'É' = 'é'"), Some(true));
    assert_eq!(truth("'e' = 'é'"), Some(false));
    assert_eq!(truth("' a' = 'a'"), Some(false));
    assert_eq!(truth("'b' > 'A'"), Some(true));
    assert_eq!(truth("'_x' < '1'"), Some(true));
    assert_eq!(truth("'a' <> NULL"), None);
}

#[test]
fn unknown_is_neither_true_nor_false() {
    assert_eq!(truth("NULL = NULL"), None);
    assert_eq!(truth("1 = 1 OR NULL = 1"), Some(true));
    assert_eq!(truth("1 = 0 AND NULL = 1"), Some(false));
    assert_eq!(truth("1 = 1 AND NULL = 1"), None);
    assert_eq!(truth("1 IN (2, NULL)"), None);
    assert_eq!(truth("1 IN (1, NULL)"), Some(true));
    assert_eq!(truth("NOT 1 IN (2, 3)"), Some(true));
    assert_eq!(truth("5 BETWEEN 1 AND NULL"), None);
    assert_eq!(truth("5 BETWEEN 6 AND NULL"), Some(false));
    assert_eq!(truth("2 NOT BETWEEN 1 AND 3"), Some(false));
    assert_eq!(truth("NULL IS NULL"), Some(true));
    assert_eq!(truth("@name IS NOT NULL"), Some(true));
}

#[test]
fn comparisons_convert_the_lower_type() {
    assert_eq!(truth("'07' = 7"), Some(true));
    assert_eq!(truth("1 = 1.0"), Some(true));
    assert_eq!(truth("1.50 = 1.5"), Some(true));
    assert_eq!(truth("0.1 < 1e0"), Some(true));
    assert_eq!(
        truth("CAST('2026-11-24' AS datetime) = '20261124'"),
        Some(true)
    );
    assert_eq!(
        truth(
            "CAST('6F9619FF-8B86-D011-B42D-00C04FC964FF' AS uniqueidentifier) = '6f9619ff-8b86-d011-b42d-00c04fc964ff'"
        ),
        Some(true)
    );
    assert_eq!(truth("SERVERPROPERTY('EngineEdition') = 3"), Some(true));
    assert_eq!(
        truth("SERVERPROPERTY('InstanceName') = N'chat'"),
        Some(true)
    );
    assert_eq!(truth("99999999999 > 5"), Some(true));
}

#[test]
fn like_knows_all_its_wildcards() {
    for (condition, wanted) in [
        ("'RESTORE DATABASE' LIKE N'restore%'", true),
        ("'abc' LIKE 'a_c'", true),
        ("'abc' LIKE 'a_'", false),
        ("'abc' LIKE '[a-c]b[^d]'", true),
        ("'abc' LIKE '[b-z]%'", false),
        ("'5%' LIKE '5[%]'", true),
        ("'50' LIKE '5!%' ESCAPE '!'", false),
        ("'5%' LIKE '5!%' ESCAPE '!'", true),
        ("'a-b' LIKE 'a[-x]b'", true),
        ("'aXbXc' LIKE '%x%x%'", true),
        ("'abc' LIKE '[abc'", false),
        ("'' LIKE '%'", true),
        ("'abc ' LIKE 'abc'", true),
        ("N'abc ' LIKE N'abc'", false),
        ("'abc' NOT LIKE 'x%'", true),
        ("12 LIKE '1%'", true),
    ] {
        assert_eq!(truth(condition), Some(wanted), "{condition}");
    }
    assert_eq!(truth("NULL LIKE 'a'"), None);
}

#[test]
fn case_takes_the_first_true_branch_and_the_common_type() {
    is(
        "CASE WHEN 1 = 2 THEN 1 WHEN NULL = 1 THEN 2 ELSE 2.5 END",
        Numeric(11, 1),
        lsn(25),
    );
    is(
        "CASE 2 WHEN 1 THEN 'a' WHEN 2 THEN N'bc' END",
        NVarChar(Some(2)),
        text("bc"),
    );
    is("CASE 3 WHEN 1 THEN 'a' END", VarChar(Some(1)), Datum::Null);
    is(
        "CASE WHEN 1 = 1 THEN 1 ELSE CAST('x' AS int) END",
        Int,
        int(1),
    );
    is("IIF(1 > 2, NULL, 'no')", VarChar(Some(2)), text("no"));
}

#[test]
fn isnull_keeps_the_first_type_and_coalesce_takes_the_highest() {
    is(
        "ISNULL(CAST(NULL AS varchar(2)), 'abc')",
        VarChar(Some(2)),
        text("ab"),
    );
    is("ISNULL(NULL, 'abc')", VarChar(Some(3)), text("abc"));
    is(
        "COALESCE(NULL, CAST(NULL AS varchar(2)), N'abc', 'd')",
        NVarChar(Some(3)),
        text("abc"),
    );
    is("COALESCE(1, 2.5)", Numeric(11, 1), lsn(10));
    is("NULLIF(1, 1)", Int, Datum::Null);
    is("NULLIF('a', 'b')", VarChar(Some(1)), text("a"));
}

#[test]
fn casts_cut_texts_and_never_numbers() {
    is(
        "CAST('abcdef' AS varchar(3))",
        VarChar(Some(3)),
        text("abc"),
    );
    is("CAST(12345 AS varchar(3))", VarChar(Some(3)), text("*"));
    is("CONVERT(nvarchar, N'a')", NVarChar(Some(30)), text("a"));
    is("CAST('x' AS nvarchar(max))", NVarChar(None), text("x"));
    is("CAST(' 42 ' AS int)", Int, int(42));
    is("CAST('' AS int)", Int, int(0));
    is("CAST(-3.99 AS int)", Int, int(-3));
    is("CAST('true' AS bit)", Bit, int(1));
    is("CAST(42 AS bit)", Bit, int(1));
    is("CAST('1.5' AS float)", Float, Datum::Float(1.5));
    is("CAST(0x01 AS int)", Int, int(1));
    is(
        "CAST(255 AS varbinary(4))",
        VarBinary(Some(4)),
        Datum::Bytes(vec![0, 0, 0, 255]),
    );
    is("TRY_CAST('x' AS int)", Int, Datum::Null);
    is("TRY_CONVERT(int, '7')", Int, int(7));
    shows("CAST(1234567.0e0 AS varchar(20))", "1.23457e+006");
    shows("CAST(12.5e0 AS varchar(20))", "12.5");
}

#[test]
fn dates_are_shown_by_style() {
    let convert = |moment: &str, kind: &str, style: &str| {
        format!("CONVERT(varchar(33), CAST('{moment}' AS {kind}){style})")
    };
    for (moment, kind, style, shown) in [
        (
            "2026-11-24T05:06:07.123",
            "datetime",
            ", 126",
            "2026-11-24T05:06:07.123",
        ),
        (
            "2026-11-24T05:06:07.001",
            "datetime",
            ", 126",
            "2026-11-24T05:06:07",
        ),
        (
            "2026-11-24 05:06:07.998",
            "datetime",
            ", 126",
            "2026-11-24T05:06:07.997",
        ),
        (
            "2026-11-24 23:59:59.999",
            "datetime",
            ", 121",
            "2026-11-25 00:00:00.000",
        ),
        (
            "2026-11-24T05:06:07.1234567",
            "datetime2",
            ", 126",
            "2026-11-24T05:06:07.1234567",
        ),
        (
            "2026-11-24T05:06:07.12",
            "datetime2",
            ", 126",
            "2026-11-24T05:06:07.1200000",
        ),
        (
            "2026-11-24T05:06:07",
            "datetime2",
            ", 126",
            "2026-11-24T05:06:07",
        ),
        ("20261124", "datetime", "", "Nov 24 2026 12:00AM"),
        ("20261104 13:05", "datetime", ", 0", "Nov  4 2026  1:05PM"),
        ("20261124", "datetime2", "", "2026-11-24 00:00:00.0000000"),
        (
            "20261124 13:05:09",
            "datetime",
            ", 120",
            "2026-11-24 13:05:09",
        ),
        ("20261124 13:05:09", "datetime", ", 112", "20261124"),
    ] {
        shows(&convert(moment, kind, style), shown);
    }
    is(
        "CAST(CURRENT_TIMESTAMP AS datetime2)",
        DateTime2,
        moment(12, 5, 0),
    );
}

#[test]
fn functions_of_texts_count_characters() {
    shows("UPPER('aé')", "AÉ");
    shows("LOWER(N'AbC')", "abc");
    is("LEN('ab  ')", Int, int(2));
    is("DATALENGTH(N'ab ')", Int, int(6));
    is("DATALENGTH('ab ')", Int, int(3));
    shows("LEFT('abc', 2)", "ab");
    shows("RIGHT('abc', 2)", "bc");
    shows("RIGHT('abc', 9)", "abc");
    shows("SUBSTRING('abcdef', 2, 3)", "bcd");
    shows("SUBSTRING('abc', 0, 2)", "a");
    shows("SUBSTRING('abc', 9, 2)", "");
    is(
        "REPLACE('aXbx', 'x', '--')",
        VarChar(Some(8000)),
        text("a--b--"),
    );
    is("QUOTENAME('a]b')", NVarChar(Some(258)), text("[a]]b]"));
    shows("QUOTENAME('it''s', '''')", "'it''s'");
    is("CHARINDEX('C', 'abc')", Int, int(3));
    is("CHARINDEX('a', 'aba', 2)", Int, int(3));
    is("CHARINDEX('z', 'abc')", Int, int(0));
    shows("LTRIM(RTRIM('  a b  '))", "a b");
    is("ABS(-3)", Int, int(3));
    is("LEN(NULL)", Int, Datum::Null);
}

#[test]
fn the_catalog_answers_functions_and_variables() {
    is("DB_ID('MGC')", SqlType::SmallInt, int(5));
    is("msdb.dbo.twice(21)", Int, int(42));
    is("@@spid + 1", Int, int(52));
    is("(SELECT MAX(id) FROM dbo.room)", Int, int(13));
    assert_eq!(
        column("SELECT msdb.dbo.twice(id) FROM dbo.person WHERE id > 2"),
        [int(6), int(8)]
    );
    // Its type is known where no row is.
    let none = select(
        "SELECT msdb.dbo.twice(id) AS x FROM dbo.person WHERE 1 = 0",
        &people(),
    )
    .unwrap();
    assert_eq!(none.columns, [Column::new("x", Int)]);
}

#[test]
fn a_collation_that_compares_alike_changes_nothing() {
    assert_eq!(truth("'a' COLLATE DATABASE_DEFAULT = 'A'"), Some(true));
    assert_eq!(truth("'a' COLLATE Latin1_General_CI_AS = 'A'"), Some(true));
}
