use super::*;

#[test]
fn every_error_has_its_number() {
    for (sql, wanted) in [
        ("SELECT nothing FROM dbo.person", 207),
        ("SELECT p.nothing FROM dbo.person p", 207),
        ("SELECT id FROM dbo.person ORDER BY nothing", 207),
        ("SELECT nothing", 207),
        ("SELECT x FROM (SELECT 1 AS y) AS t", 207),
        ("SELECT * FROM nothing", 208),
        // A derived table is not run before all is bound.
        ("SELECT x FROM (SELECT 1 / 0 AS x) AS t, nothing", 208),
        ("SELECT x FROM (SELECT 1 / 0 AS x) AS t", 8134),
        ("SELECT 1 WHERE EXISTS (SELECT 1 FROM sys.nothing)", 208),
        (
            "SELECT id FROM dbo.person p JOIN dbo.room r ON r.owner = p.id",
            209,
        ),
        (
            "SELECT p.id, r.id FROM dbo.person p JOIN dbo.room r ON r.owner = p.id ORDER BY id",
            209,
        ),
        ("SELECT nosuch(1)", 195),
        ("SELECT nosuch(id) FROM dbo.person WHERE 1 = 0", 195),
        ("SELECT COUNT(*) FROM dbo.person GROUP BY ROLLUP(age)", 195),
        ("SELECT dbo.nosuch(1)", 4121),
        ("SELECT @nosuch", 137),
        ("SELECT @@NOSUCH", 137),
        ("SELECT CAST('x' AS int)", 245),
        ("SELECT 1 WHERE 'x' = 1", 245),
        ("SELECT id FROM dbo.person WHERE name = 1", 245),
        ("SELECT 'a' + 1", 245),
        ("SELECT CAST('99999999999' AS int)", 248),
        ("SELECT CAST('x' AS bigint)", 8114),
        ("SELECT CAST('x' AS numeric(5,0))", 8114),
        ("SELECT CAST('x' AS uniqueidentifier)", 8169),
        ("SELECT CAST('24.11.2026' AS datetime)", 241),
        ("SELECT CAST('0001-01-01' AS datetime)", 242),
        ("SELECT CAST(300 AS tinyint)", 220),
        ("SELECT 2147483647 + 1", 8115),
        ("SELECT CAST(1000 AS numeric(3,0))", 8115),
        (
            "SELECT SUM(id * 1000000000) FROM dbo.person WHERE id < 3",
            8115,
        ),
        ("SELECT 1 / 0", 8134),
        ("SELECT 1.0 % 0", 8134),
        ("SELECT CAST(1 AS uniqueidentifier)", 529),
        ("SELECT 1 + SERVERPROPERTY('EngineEdition')", 206),
        ("SELECT UPPER(SERVERPROPERTY('ServerName'))", 257),
        (
            "SELECT 1 WHERE CAST('2026-11-24' AS datetime) = CAST(NULL AS uniqueidentifier)",
            206,
        ),
        ("SELECT x.id FROM dbo.person p", 4104),
        ("SELECT person.id FROM dbo.person p", 4104),
        (
            "SELECT 1 FROM dbo.room x, dbo.person a JOIN dbo.person b ON x.id = a.id",
            4104,
        ),
        (
            "SELECT 1 FROM dbo.person a JOIN dbo.person b ON c.id = a.id JOIN dbo.person c ON c.id = b.id",
            4104,
        ),
        ("SELECT x.* FROM dbo.person p", 107),
        ("SELECT *", 263),
        ("SELECT 1 FROM dbo.person, dbo.person", 1013),
        ("SELECT name, COUNT(*) FROM dbo.person", 8120),
        ("SELECT * FROM dbo.person GROUP BY name", 8120),
        ("SELECT name FROM dbo.person GROUP BY age", 8120),
        (
            "SELECT age FROM dbo.person GROUP BY age HAVING id > 1",
            8121,
        ),
        ("SELECT age FROM dbo.person GROUP BY age ORDER BY id", 8127),
        (
            "SELECT (SELECT r.title FROM dbo.room r WHERE r.owner = p.id) FROM dbo.person p GROUP BY p.age",
            8120,
        ),
        ("SELECT id FROM dbo.person WHERE COUNT(*) > 1", 147),
        ("SELECT MAX(COUNT(*)) FROM dbo.person", 130),
        ("SELECT SUM(name) FROM dbo.person", 8117),
        ("SELECT COUNT(*) FROM dbo.person GROUP BY 1", 164),
        ("SELECT (SELECT id, owner FROM dbo.room)", 116),
        ("SELECT (SELECT id FROM dbo.room)", 512),
        (
            "SELECT id FROM dbo.person WHERE id = (SELECT id FROM dbo.person)",
            512,
        ),
        (
            "SELECT id FROM dbo.person WHERE id IN (SELECT id FROM dbo.person ORDER BY id)",
            1033,
        ),
        ("SELECT 1 UNION ALL SELECT 1, 2", 205),
        ("SELECT DISTINCT id FROM dbo.person ORDER BY name", 145),
        ("SELECT id FROM dbo.person ORDER BY 2", 108),
        ("SELECT id FROM dbo.person ORDER BY 'x'", 408),
        ("SELECT TOP (-1) id FROM dbo.person", 127),
        ("SELECT TOP ('a') id FROM dbo.person", 1060),
        ("SELECT LEN(1, 2)", 174),
        ("SELECT ISNULL(1)", 174),
        ("SELECT LEFT('a', -1)", 536),
        ("SELECT CASE WHEN 1 = 1 THEN NULL END", 8133),
        ("SELECT COALESCE(NULL, NULL)", 4127),
        ("SELECT 1 WHERE 1", 4145),
        ("SELECT id FROM dbo.person WHERE id AND 1 = 1", 4145),
    ] {
        assert_eq!(number(sql), wanted, "{sql}");
    }
}

#[test]
fn messages_are_those_of_the_server() {
    for (sql, message) in [
        (
            "SELECT Nothing FROM dbo.person",
            "Invalid column name 'Nothing'.",
        ),
        (
            "SELECT 1 FROM msdb.dbo.Nothing",
            "Invalid object name 'msdb.dbo.Nothing'.",
        ),
        (
            "SELECT @Nothing",
            "Must declare the scalar variable \"@Nothing\".",
        ),
        (
            "SELECT CAST('x y' AS int)",
            "Conversion failed when converting the varchar value 'x y' to data type int.",
        ),
        ("SELEC 1", "Incorrect syntax near 'SELEC'."),
        ("SELECT 1 FROM", "Incorrect syntax near 'EOF'."),
        (
            "SELECT id FROM dbo.person LIMIT 5",
            "Incorrect syntax near 'LIMIT or OFFSET'.",
        ),
    ] {
        assert_eq!(
            select(sql, &people()).unwrap_err().message,
            message,
            "{sql}"
        );
    }
}

#[test]
fn what_is_not_evaluated_is_refused_loudly() {
    let mut wrong = Vec::new();
    for sql in [
        "",
        ";",
        "SELECT",
        "SELECT 1; SELECT 2",
        "SELECT 1 SELECT 2",
        "UPDATE dbo.person SET id = 1",
        "DELETE FROM dbo.person",
        "SELECT @name = name FROM dbo.person",
        "SELECT id INTO x FROM dbo.person",
        "WITH c AS (SELECT 1 AS x) SELECT x FROM c",
        "SELECT TOP (1) WITH TIES id FROM dbo.person ORDER BY id",
        "SELECT TOP (50) PERCENT id FROM dbo.person",
        "SELECT id FROM dbo.person ORDER BY id OFFSET 1 ROWS",
        "SELECT id FROM dbo.person ORDER BY id OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY",
        "SELECT id FROM dbo.person FOR XML PATH",
        "SELECT id FROM dbo.person FOR JSON AUTO",
        "SELECT id FROM dbo.person FOR BROWSE",
        "SELECT id FROM dbo.person OPTION (RECOMPILE)",
        "SELECT id FROM dbo.person LIMIT 1",
        "SELECT id FROM dbo.person TABLESAMPLE (10 PERCENT)",
        "SELECT id FROM dbo.person WITH (READPAST)",
        "SELECT id FROM dbo.person FOR SYSTEM_TIME AS OF '2020-01-01'",
        "SELECT p.id FROM dbo.person p RIGHT JOIN dbo.room r ON r.owner = p.id",
        "SELECT p.id FROM dbo.person p FULL JOIN dbo.room r ON r.owner = p.id",
        "SELECT p.id FROM dbo.person p JOIN dbo.room r",
        "SELECT p.id FROM dbo.person p NATURAL JOIN dbo.room r",
        "SELECT p.id FROM dbo.person p JOIN dbo.room r USING (id)",
        "SELECT p.id FROM dbo.person p CROSS APPLY (SELECT 1 AS x) AS t",
        "SELECT p.id FROM dbo.person p CROSS APPLY dbo.f(1) AS t",
        "SELECT x.id FROM dbo.person AS x(id)",
        "SELECT id FROM dbo.f(1)",
        "SELECT id FROM (dbo.person)",
        "SELECT x FROM (VALUES (1)) AS t(x)",
        "SELECT ROW_NUMBER() OVER (ORDER BY id) FROM dbo.person",
        "SELECT COUNT(*) OVER () FROM dbo.person",
        "SELECT SUM(id) FILTER (WHERE id > 1) FROM dbo.person",
        "SELECT STRING_AGG(name, ',') WITHIN GROUP (ORDER BY id) FROM dbo.person",
        "SELECT COUNT(*) FROM dbo.person GROUP BY age WITH ROLLUP",
        "SELECT COUNT(*) FROM dbo.person GROUP BY GROUPING SETS ((age))",
        "SELECT id FROM dbo.person GROUP BY ALL",
        "SELECT 1 EXCEPT SELECT 2",
        "SELECT 1 INTERSECT SELECT 2",
        "SELECT 1 UNION SELECT 2 UNION ALL SELECT 3",
        "SELECT 1 UNION ALL (SELECT 2)",
        "SELECT DISTINCT ON (id) id FROM dbo.person",
        "SELECT id FROM dbo.person ORDER BY id NULLS LAST",
        "SELECT id::int FROM dbo.person",
        "SELECT CAST(id AS date) FROM dbo.person",
        "SELECT CAST(id AS real) FROM dbo.person",
        "SELECT CAST(id AS float(10)) FROM dbo.person",
        "SELECT CAST(id AS datetime2(3)) FROM dbo.person",
        "SELECT CAST(id AS varchar(9000)) FROM dbo.person",
        "SELECT CONVERT(varchar(30), CURRENT_TIMESTAMP, 109)",
        "SELECT id AT TIME ZONE 'UTC' FROM dbo.person",
        "SELECT name COLLATE Latin1_General_BIN FROM dbo.person",
        "SELECT id FROM dbo.person WHERE id = ANY (SELECT 1)",
        "SELECT id FROM dbo.person WHERE id = ALL (SELECT 1)",
        "SELECT id FROM dbo.person WHERE (id, name) IN (SELECT 1, 2)",
        "SELECT id FROM dbo.person WHERE id IN ()",
        "SELECT id FROM dbo.person WHERE name ILIKE 'a'",
        "SELECT id FROM dbo.person WHERE name SIMILAR TO 'a'",
        "SELECT id FROM dbo.person WHERE id IS DISTINCT FROM 1",
        "SELECT ~id FROM dbo.person",
        "SELECT id || name FROM dbo.person",
        "SELECT 4 & 1 + 2",
        "SELECT 8 | 6 & 3",
        "SELECT 1 = 2 = 3",
        "SELECT 1 WHERE 1 = 2 = 3",
        "SELECT CASE WHEN 1 = 1 THEN 1 = 1 END",
        "SELECT (1 = 1)",
        "SELECT TRIM(LEADING 'a' FROM name) FROM dbo.person",
        "SELECT SUBSTRING(name FROM 1 FOR 2) FROM dbo.person",
        "SELECT EXTRACT(YEAR FROM CURRENT_TIMESTAMP)",
        "SELECT MAX(DISTINCT *) FROM dbo.person",
        "SELECT {fn DB_ID('mgc')}",
        "SELECT $1",
        "SELECT ?",
        "SELECT p.name FROM dbo.person p WHERE 2 = (SELECT MAX(p.id) FROM dbo.room)",
        "SELECT id FROM dbo.person QUALIFY 1 = 1",
        "SELECT * EXCEPT (id) FROM dbo.person",
        "FROM dbo.person SELECT id",
        "TABLE dbo.person",
        "VALUES (1)",
    ] {
        let answer = select(sql, &people()).map_err(|error| error.number);
        if answer != Err(102) {
            wrong.push((sql, answer));
        }
    }
    assert_eq!(wrong, []);
}

#[test]
fn an_expression_ends_where_its_text_ends() {
    for expression in ["1 1", "1,", "1)", "", "1; 2", "SELECT 1", "id", "COUNT(*)"] {
        assert!(scalar(expression, &people()).is_err(), "{expression}");
    }
}

#[test]
fn errors_that_no_row_would_show_are_found_all_the_same() {
    for (sql, wanted) in [
        ("SELECT id FROM dbo.person WHERE 1 = 0 AND nothing = 1", 207),
        ("SELECT TOP (0) nosuch(id) FROM dbo.person", 195),
        ("SELECT CASE WHEN 1 = 1 THEN 1 ELSE @nosuch END", 137),
    ] {
        assert_eq!(number(sql), wanted, "{sql}");
    }
}

#[test]
fn an_error_of_a_table_is_passed_on() {
    struct Offline;
    impl Catalog for Offline {
        fn table(&self, _: &[String]) -> Option<Result<Relation, ServerError>> {
            Some(Err(ServerError::new(927, "in the middle of a restore")))
        }
        fn function(&self, _: &str, _: &[Datum]) -> Option<Result<(SqlType, Datum), ServerError>> {
            None
        }
        fn variable(&self, _: &str) -> Option<(SqlType, Datum)> {
            None
        }
    }
    assert_eq!(
        select("SELECT 1 FROM mgc.dbo.tblChat", &Offline)
            .unwrap_err()
            .number,
        927
    );
}
