//! Running a plan: join, filter, group, sort, project.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::rehearsal::message::message;
use crate::rehearsal::value::{Datum, Relation};

use super::Catalog;
use super::aggregate::{self, Grouped};
use super::error::Outcome;
use super::evaluate::{Frame, Ground};
use super::plan::{NO_ROW, Node, Query, Select, SortKey};
use super::value::{Key, compare};

type Row = Vec<Datum>;

/// Rows of a query; `outer` is the row around it.
pub(super) fn query(
    query: &Query,
    outer: Option<&Frame<'_>>,
    catalog: &dyn Catalog,
) -> Outcome<Relation> {
    let mut rows = Vec::new();
    for part in &query.selects {
        rows.append(&mut select(part, outer, catalog)?);
    }
    if query.distinct {
        unique(&mut rows);
    }
    if !query.order.is_empty() {
        rows.sort_by(|a, b| {
            let mut keys = query.order.iter();
            keys.find_map(|(at, descending)| ordered(&a[*at], &b[*at], *descending))
                .unwrap_or(Ordering::Equal)
        });
    }
    Ok(Relation {
        columns: query.columns.clone(),
        rows,
    })
}

/// The order of two values where they differ.
fn ordered(a: &Datum, b: &Datum, descending: bool) -> Option<Ordering> {
    match compare(a, b) {
        Ordering::Equal => None,
        order if descending => Some(order.reverse()),
        order => Some(order),
    }
}

/// Keeps the first of equal rows.
fn unique(rows: &mut Vec<Row>) {
    let mut seen = HashSet::new();
    rows.retain(|row| seen.insert(row.iter().map(Key::of).collect::<Vec<_>>()));
}

fn select(part: &Select, outer: Option<&Frame<'_>>, catalog: &dyn Catalog) -> Outcome<Vec<Row>> {
    for source in &part.sources {
        if let (Some(derived), None) = (&source.derived, source.rows.get()) {
            // It sees nothing of the query around it: its rows are the same for every row there.
            let rows = query(derived, None, catalog)?.rows;
            source.rows.get_or_init(|| rows);
        }
    }
    let ground = Ground {
        sources: &part.sources,
        outer,
        catalog,
    };
    let limit = match &part.top {
        Some(node) => top(node, ground)?,
        None => usize::MAX,
    };
    let joined = joined(part, limit, ground)?;
    let groups = match &part.group {
        Some(group) => aggregate::groups(group, ground, joined)?,
        None => joined.into_iter().map(|row| (row, Row::new())).collect(),
    };
    let project = |row: &[usize], aggregates: &[Datum]| -> Outcome<Row> {
        let output = part.output.iter();
        output
            .map(|node| ground.value(node, row, aggregates))
            .collect()
    };
    if part.distinct {
        let mut rows = Vec::new();
        for (row, aggregates) in &groups {
            rows.push(project(row, aggregates)?);
        }
        unique(&mut rows);
        rows.sort_by(|a, b| {
            let mut keys = part.order.iter();
            keys.find_map(|sort| match sort.key {
                SortKey::Output(at) => ordered(&a[at], &b[at], sort.descending),
                // Binding lets nothing but columns of the result through beside DISTINCT.
                SortKey::Node(_) => None,
            })
            .unwrap_or(Ordering::Equal)
        });
        rows.truncate(limit);
        return Ok(rows);
    }
    sorted(part, groups, ground)?
        .iter()
        .take(limit)
        .map(|(row, aggregates)| project(row, aggregates))
        .collect()
}

fn sort_node<'s>(part: &'s Select, key: &'s SortKey) -> &'s Node {
    match key {
        SortKey::Output(at) => &part.output[*at],
        SortKey::Node(node) => node,
    }
}

/// Rows in the order of ORDER BY; equal ones stay as they are.
fn sorted(
    part: &Select,
    rows: impl IntoIterator<Item = Grouped>,
    ground: Ground<'_>,
) -> Outcome<Vec<Grouped>> {
    if part.order.is_empty() {
        return Ok(rows.into_iter().collect());
    }
    let mut keyed = Vec::new();
    for (row, aggregates) in rows {
        let mut keys = Row::with_capacity(part.order.len());
        for sort in &part.order {
            keys.push(ground.value(sort_node(part, &sort.key), &row, &aggregates)?);
        }
        keyed.push((keys, (row, aggregates)));
    }
    keyed.sort_by(|(a, _), (b, _)| {
        let mut keys = part.order.iter().zip(a.iter().zip(b));
        keys.find_map(|(sort, (a, b))| ordered(a, b, sort.descending))
            .unwrap_or(Ordering::Equal)
    });
    Ok(keyed.into_iter().map(|(_, row)| row).collect())
}

/// Number of rows of TOP.
fn top(node: &Node, ground: Ground<'_>) -> Outcome<usize> {
    match ground.value(node, &[], &[])? {
        Datum::Int(number) => usize::try_from(number).map_err(|_| message(127, &[])),
        _ => Err(message(1060, &[])),
    }
}

/// Joins the sources, and keeps what WHERE accepts; a row is the row numbers in each source.
///
/// Where TOP asks for the first rows of an order that the first source alone decides, that source is
/// sorted beforehand and the rest of the rows is never joined: the newest few of a long history.
fn joined(part: &Select, limit: usize, ground: Ground<'_>) -> Outcome<Vec<Vec<usize>>> {
    let mut firsts = expand(part, 0..1, vec![vec![NO_ROW; part.sources.len()]], ground)?;
    let early = part.group.is_none() && !part.distinct && limit < usize::MAX && {
        let mut keys = part.order.iter().map(|sort| sort_node(part, &sort.key));
        keys.all(|node| {
            let mut places = node.columns().into_iter();
            places.all(|place| place.depth > 0 || place.source == 0)
        })
    };
    if early {
        firsts = sorted(
            part,
            firsts.into_iter().map(|row| (row, Row::new())),
            ground,
        )?
        .into_iter()
        .map(|(row, _)| row)
        .collect();
    }
    let mut rows = Vec::new();
    for first in firsts {
        if early && rows.len() >= limit {
            break;
        }
        for row in expand(part, 1..part.sources.len(), vec![first], ground)? {
            if ground.all_hold(&part.filter, &row, &[])? {
                rows.push(row);
            }
        }
    }
    Ok(rows)
}

/// Joins some of the sources to the rows of those before them.
fn expand(
    part: &Select,
    sources: Range<usize>,
    mut rows: Vec<Vec<usize>>,
    ground: Ground<'_>,
) -> Outcome<Vec<Vec<usize>>> {
    for at in sources {
        let Some(source) = part.sources.get(at) else {
            break;
        };
        let mut next = Vec::new();
        for mut row in rows {
            let matches = if source.keys.is_empty() {
                None
            } else {
                Some(matching(part, at, &row, ground)?)
            };
            let count = matches.map_or(source.rows().len(), <[usize]>::len);
            let mut found = false;
            for number in 0..count {
                row[at] = matches.map_or(number, |matches| matches[number]);
                if ground.all_hold(&source.on, &row, &[])? {
                    found = true;
                    if ground.all_hold(&source.after, &row, &[])? {
                        next.push(row.clone());
                    }
                }
            }
            if source.outer && !found {
                row[at] = NO_ROW;
                if ground.all_hold(&source.after, &row, &[])? {
                    next.push(row);
                }
            }
        }
        rows = next;
    }
    Ok(rows)
}

/// Rows of source `at` whose keys equal those of the row before it.
fn matching<'s>(
    part: &'s Select,
    at: usize,
    row: &[usize],
    ground: Ground<'_>,
) -> Outcome<&'s [usize]> {
    let source = &part.sources[at];
    let index = if let Some(index) = source.index.get() {
        index
    } else {
        let mut index: HashMap<Vec<Key>, Vec<usize>> = HashMap::with_capacity(source.rows().len());
        let mut row = vec![NO_ROW; part.sources.len()];
        for number in 0..source.rows().len() {
            row[at] = number;
            let keys = ground.keys(source.keys.iter().map(|(_, own)| own), &row)?;
            // NULL equals nothing.
            if !keys.contains(&Key::Null) {
                index.entry(keys).or_default().push(number);
            }
        }
        source.index.get_or_init(|| index)
    };
    let keys = ground.keys(source.keys.iter().map(|(earlier, _)| earlier), row)?;
    Ok(index.get(&keys).map_or(&[], Vec::as_slice))
}
