use proptest::prelude::*;

use super::*;

/// Words of which statements are made.
const WORDS: [&str; 64] = [
    "SELECT",
    "FROM",
    "WHERE",
    "dbo.person",
    "dbo.room",
    "p",
    "r",
    "AS",
    "JOIN",
    "LEFT JOIN",
    "ON",
    "id",
    "name",
    "age",
    "boss",
    "owner",
    "title",
    "p.id",
    "r.owner",
    "*",
    ",",
    "(",
    ")",
    "=",
    "<>",
    "<",
    "AND",
    "OR",
    "NOT",
    "IN",
    "EXISTS",
    "LIKE",
    "IS NULL",
    "BETWEEN",
    "CASE",
    "WHEN",
    "THEN",
    "ELSE",
    "END",
    "CAST(",
    "AS int)",
    "AS varchar(3))",
    "CONVERT(varchar(9),",
    "126)",
    "COUNT(*)",
    "MAX(",
    "SUM(",
    "GROUP BY",
    "HAVING",
    "ORDER BY",
    "DESC",
    "TOP (2)",
    "DISTINCT",
    "UNION ALL",
    "1",
    "2.5",
    "'a'",
    "N'%b'",
    "NULL",
    "@name",
    "+",
    "-",
    "/",
    "%",
];

proptest! {
    #[test]
    fn no_text_panics(sql in "\\PC{0,80}") {
        let _ = select(&sql, &people());
        let _ = scalar(&sql, &people());
    }

    #[test]
    fn no_arrangement_of_words_panics(words in prop::collection::vec(0..WORDS.len(), 0..25)) {
        let sql = words.iter().map(|word| WORDS[*word]).collect::<Vec<_>>().join(" ");
        let _ = select(&sql, &people());
        let _ = select(&format!("SELECT {sql}"), &people());
        let _ = select(&format!("SELECT p.id FROM dbo.person p WHERE {sql}"), &people());
        let _ = scalar(&sql, &people());
    }

    #[test]
    fn no_value_panics(a in any::<i64>(), b in "[-+0-9.eE:T ]{0,30}", word in 0..12_usize) {
        let to = ["int", "bigint", "tinyint", "bit", "float", "numeric(38,10)", "numeric(5,5)",
            "varchar(4)", "nvarchar(2)", "datetime", "datetime2", "uniqueidentifier"][word];
        let _ = scalar(&format!("CAST({a} AS {to})"), &people());
        let _ = scalar(&format!("CAST('{b}' AS {to})"), &people());
        let _ = scalar(&format!("CAST(CAST('{b}' AS {to}) AS varchar(30))"), &people());
        let _ = scalar(&format!("{a} * {a} / 3.7 % {a} - CAST('{b}' AS {to})"), &people());
    }

    #[test]
    fn like_agrees_with_a_plain_reading(text in "[ab]{0,8}", pattern in "[ab%_]{0,8}") {
        fn matches(text: &[u8], pattern: &[u8]) -> bool {
            match (pattern, text) {
                ([], _) => text.is_empty(),
                ([b'%', rest @ ..], _) => (0..=text.len()).any(|at| matches(&text[at..], rest)),
                ([b'_', rest @ ..], [_, text @ ..]) => matches(text, rest),
                ([c, rest @ ..], [d, text @ ..]) => c == d && matches(text, rest),
                _ => false,
            }
        }
        let sql = format!("SELECT 1 WHERE N'{text}' LIKE N'{pattern}'");
        prop_assert_eq!(!rows(&sql).is_empty(), matches(text.as_bytes(), pattern.as_bytes()));
    }

    /// What TOP leaves out early is what comes last.
    #[test]
    fn top_is_the_beginning_of_the_whole(
        left in prop::collection::vec((0..5_i64, 0..4_i64), 0..8),
        right in prop::collection::vec((0..5_i64, 0..4_i64), 0..8),
        top in 0..6_usize,
        order in prop::sample::select(vec!["", "ORDER BY l.a", "ORDER BY l.b DESC, l.a", "ORDER BY l.a, r.a DESC", "ORDER BY 2"]),
    ) {
        let table = |rows: &[(i64, i64)]| {
            rows.iter().map(|(a, b)| vec![int(*a), int(*b)]).collect::<Vec<_>>()
        };
        let columns = [("a", SqlType::Int), ("b", SqlType::Int)];
        let fake = Fake::default()
            .with("l", &columns, table(&left))
            .with("r", &columns, table(&right));
        let sql = |top: &str| format!("SELECT {top} l.a, r.a, l.b FROM l LEFT JOIN r ON l.b = r.b WHERE l.a < 4 {order}");
        let mut whole = select(&sql(""), &fake).unwrap().rows;
        whole.truncate(top);
        prop_assert_eq!(select(&sql(&format!("TOP ({top})")), &fake).unwrap().rows, whole);
    }

    /// Keys, conditions that wander and the join itself find what a nested loop finds.
    #[test]
    fn a_join_agrees_with_a_nested_loop(
        left in prop::collection::vec((0..5_i64, prop::option::of(0..4_i64)), 0..8),
        right in prop::collection::vec((0..5_i64, prop::option::of(0..4_i64)), 0..8),
        bound in 0..5_i64,
    ) {
        let column = |value: Option<i64>| value.map_or(Datum::Null, Datum::Int);
        let table = |rows: &[(i64, Option<i64>)]| {
            rows.iter().map(|(a, b)| vec![int(*a), column(*b)]).collect::<Vec<_>>()
        };
        let columns = [("a", SqlType::Int), ("b", SqlType::Int)];
        let fake = Fake::default()
            .with("l", &columns, table(&left))
            .with("r", &columns, table(&right));
        let sql = format!("SELECT l.a, r.a FROM l LEFT JOIN r ON l.b = r.b AND r.a < {bound} WHERE l.a <> r.b OR r.b IS NULL");
        let mut wanted = Vec::new();
        for (a, b) in &left {
            let fits = |(c, d): &&(i64, Option<i64>)| b.is_some() && b == d && *c < bound;
            let mut found: Vec<_> = right.iter().filter(fits).map(|(c, d)| (Some(*c), *d)).collect();
            if found.is_empty() {
                found.push((None, None));
            }
            for (c, d) in found {
                if d.is_none_or(|d| d != *a) {
                    wanted.push(vec![int(*a), column(c)]);
                }
            }
        }
        prop_assert_eq!(select(&sql, &fake).unwrap().rows, wanted);
    }
}

#[test]
fn deep_texts_are_refused_and_not_followed() {
    let long = |unit: &str, count: usize| unit.repeat(count);
    for sql in [
        format!("SELECT 1{}", long(" + 1", 100_000)),
        format!("SELECT 1{}", long(" + 1", 4_900)),
        format!("SELECT 1 WHERE 1 = 1{}", long(" AND 1", 4_900)),
        format!("SELECT * FROM {}", long("(", 48)),
        format!("SELECT {}", long("(", 48)),
        format!("SELECT 1 IN {}", long("((1, ", 24)),
        format!("SELECT CAST({}", long("CAST(", 48)),
        format!("SELECT {}", long("f(", 48)),
        format!("SELECT {}", long("EXISTS (SELECT ", 48)),
        format!("SELECT 1 WHERE 1 IN {}", long("(SELECT 1 WHERE 1 IN ", 48)),
        format!("SELECT {}1{}", long("(", 1_000), long(")", 1_000)),
        format!("SELECT {}1", long("-", 1_000)),
        format!("SELECT {}1", long("- ", 1_000)),
        format!("SELECT 1 WHERE {} 1 = 1", long("NOT ", 2_000)),
        format!("SELECT 1 WHERE 1 {}", long("IS NULL ", 2_000)),
        format!("SELECT 1{}", long(" UNION ALL SELECT 1", 1_000)),
        format!("SELECT 'a'{}", long(" COLLATE DATABASE_DEFAULT", 2_000)),
        format!("SELECT * FROM {}", long("(SELECT * FROM ", 100)),
        format!("SELECT {}", long("CASE WHEN 1=1 THEN ", 500)),
        format!("SELECT {}1{}", long("(SELECT ", 45), long(")", 45)),
    ] {
        // A request is answered on a thread whose stack is no larger than this.
        let answer = std::thread::Builder::new()
            .stack_size(1 << 20)
            .spawn(move || select(&sql, &people()).map(|_| ()))
            .unwrap();
        drop(answer.join().unwrap());
    }
}

#[test]
fn long_lists_are_taken() {
    let list = (0..3_000)
        .map(|n| n.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    assert_eq!(
        column(&format!("SELECT id FROM dbo.person WHERE id IN ({list})")).len(),
        4
    );
    let chain = " OR id = 1".repeat(1_000);
    assert_eq!(
        column(&format!("SELECT id FROM dbo.person WHERE id = 2{chain}")).len(),
        2
    );
}
