//! Who names whom inside `run` and inside `step`: how often one step names another, and no circles.

use std::collections::{BTreeMap, BTreeSet};

use super::{File, expect_none, files, first_name, outer_items};

/// Lines in which a step may name another step's module. A helper that two steps need belongs to the
/// room of what it is about.
const STEP_TO_STEP: usize = 20;

/// Every module path in the code of a file, tests apart, from the root of the crate.
fn paths(file: &File) -> Vec<Vec<String>> {
    let own = module(&file.path);
    let mut code = file.code_text();
    if let Some(at) = code.find("\nmod tests {") {
        code.truncate(at);
    }
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        expand(&[], &code[at + "crate::".len()..], &mut found);
    }
    for (at, _) in code.match_indices("super::") {
        if code[..at].ends_with("super::") {
            continue;
        }
        let (mut from, mut rest) = (own.as_slice(), &code[at..]);
        while let Some(inner) = rest.strip_prefix("super::") {
            (from, rest) = (&from[..from.len() - 1], inner);
        }
        expand(from, rest, &mut found);
    }
    found
}

/// The paths that a text begins with: `a::{b, c::d}` behind `from`.
fn expand(from: &[String], text: &str, found: &mut Vec<Vec<String>>) {
    if let Some(list) = text.strip_prefix('{') {
        for item in outer_items(list) {
            expand(from, item.trim_start(), found);
        }
        return;
    }
    let name = first_name(text);
    let mut path = from.to_vec();
    let rest = text.strip_prefix(&*name).unwrap_or_default();
    path.push(name);
    match rest.strip_prefix("::") {
        Some(rest) => expand(&path, rest, found),
        None => found.push(path),
    }
}

/// `src/step/next.rs` as `step`, `next`.
fn module(path: &str) -> Vec<String> {
    let inside = path.trim_start_matches("src/").trim_end_matches(".rs");
    inside.split('/').map(str::to_owned).collect()
}

/// A module of a room as one of its rooms: each step is one, and so is each other module directly
/// inside; `None` for what lies elsewhere, and for the room's own root.
fn unit(room: &str, path: &[String], units: &BTreeSet<String>) -> Option<String> {
    let name = match path {
        [first, direction, step, ..]
            if first == room && ["failover", "failback"].contains(&&**direction) =>
        {
            format!("{direction}::{step}")
        }
        [first, name, ..] if first == room => name.clone(),
        _ => return None,
    };
    units.contains(&name).then_some(name)
}

/// Every unit of a room with those that it names.
fn named(room: &str, files: &[File]) -> BTreeMap<String, BTreeSet<String>> {
    let inside = files.iter().filter(|file| !file.is_test());
    let inside: Vec<_> = inside
        .filter(|file| file.path.starts_with(&format!("src/{room}/")))
        .collect();
    let all = |path: &[String]| match path {
        [_, direction, step, ..] if ["failover", "failback"].contains(&&**direction) => {
            Some(format!("{direction}::{step}"))
        }
        [_, direction] if ["failover", "failback"].contains(&&**direction) => None,
        [_, name, ..] => Some(name.clone()),
        _ => None,
    };
    let units = inside.iter().filter_map(|file| all(&module(&file.path)));
    let units: BTreeSet<String> = units.collect();
    let mut named: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    for file in inside {
        let Some(own) = unit(room, &module(&file.path), &units) else {
            continue;
        };
        let paths = paths(file);
        let others = paths.iter().filter_map(|path| unit(room, path, &units));
        let others = others.filter(|other| *other != own).collect::<Vec<_>>();
        named.entry(own).or_default().extend(others);
    }
    named
}

/// Units that lead back to themselves, each with the way there.
fn circles(named: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let mut found = Vec::new();
    for start in named.keys() {
        // The shortest way back, breadth first; each circle is told from its first name on.
        let mut ways = vec![vec![start.clone()]];
        let mut seen = BTreeSet::new();
        let mut at = 0;
        while at < ways.len() {
            let way = ways[at].clone();
            at += 1;
            for next in named.get(&way[way.len() - 1]).into_iter().flatten() {
                if next == start {
                    found.push(format!("{} → {start}", way.join(" → ")));
                    ways.clear();
                    break;
                }
                if next > start && seen.insert(next.clone()) {
                    ways.push([way.as_slice(), std::slice::from_ref(next)].concat());
                }
            }
        }
    }
    found
}

#[test]
fn a_step_seldom_names_another() {
    let mut found = Vec::new();
    for file in files("src/step", ".rs").iter().filter(|it| !it.is_test()) {
        let own = module(&file.path);
        if own.len() < 3 {
            continue;
        }
        let mut others = BTreeSet::new();
        for path in paths(file) {
            if let [step, direction, other, ..] = path.as_slice()
                && step == "step"
                && ["failover", "failback"].contains(&&**direction)
                && (own[1] != *direction || own[2] != *other)
                && ["failover", "failback"].contains(&&*own[1])
            {
                others.insert(path[..path.len().max(4) - 1].join("::"));
            }
        }
        found.extend(others.iter().map(|it| format!("{} names {it}", file.path)));
    }
    assert!(
        found.len() <= STEP_TO_STEP,
        "{} of {STEP_TO_STEP}: what two steps need belongs to the room of what it is about, in \
         step/observe, step/pool, step/shared\n  {}\n",
        found.len(),
        found.join("\n  ")
    );
}

#[test]
fn no_module_of_run_or_step_leads_back_to_itself() {
    for room in ["run", "step"] {
        let named = named(room, &files(&format!("src/{room}"), ".rs"));
        assert!(named.values().flatten().count() > 10, "{named:?}");
        expect_none(
            &circles(&named),
            &format!(
                "circles in `{room}`: two modules that need each other are one, or need a third below \
                 both"
            ),
        );
    }
}

#[test]
fn a_circle_is_told_with_its_way_and_a_line_is_none() {
    let file = |path: &str, text: &str| File {
        path: path.to_owned(),
        text: text.to_owned(),
    };
    let mut tree = vec![
        file("src/run/a.rs", "use super::{b::{B, C}, d};"),
        file("src/run/b.rs", "use crate::run::c::inner::D;"),
        file("src/run/c.rs", "use crate::step::a::A;"),
        file(
            "src/run/d.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::run::a;",
        ),
    ];
    assert_eq!(circles(&named("run", &tree)), [""; 0]);
    tree.push(file(
        "src/run/c/inner.rs",
        "fn f() { super::super::a::g() }",
    ));
    assert_eq!(circles(&named("run", &tree)), ["a → b → c → a"]);
}
