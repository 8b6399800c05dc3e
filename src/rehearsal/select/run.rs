//! Running a plan: join, filter, group, sort, project.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};

use crate::rehearsal::value::{Datum, Relation};

use super::error::{Outcome, fixed};
use super::evaluate::{Frame, Ground};
use super::plan::{NO_ROW, Node, Query, Select, SortKey};
use super::value::{Key, compare};
use super::{Catalog, aggregate};

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

/// A row of the result that is not written out yet.
struct Candidate {
    /// Rows of the sources, by number.
    row: Vec<usize>,
    aggregates: Row,
    sort: Row,
}

fn select(part: &Select, outer: Option<&Frame<'_>>, catalog: &dyn Catalog) -> Outcome<Vec<Row>> {
    let ground = Ground {
        sources: &part.sources,
        outer,
        catalog,
    };
    let limit = match &part.top {
        Some(node) => top(node, ground)?,
        None => usize::MAX,
    };
    let mut joined = joined(part, ground)?;
    if !part.filter.is_empty() {
        let mut kept = Vec::new();
        for row in joined {
            if ground.all_hold(&part.filter, &row, &[])? {
                kept.push(row);
            }
        }
        joined = kept;
    }
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
    let mut candidates = Vec::with_capacity(groups.len());
    for (row, aggregates) in groups {
        let mut sort = Row::new();
        for key in &part.order {
            let node = match &key.key {
                SortKey::Output(at) => &part.output[*at],
                SortKey::Node(node) => node,
            };
            sort.push(ground.value(node, &row, &aggregates)?);
        }
        candidates.push(Candidate {
            row,
            aggregates,
            sort,
        });
    }
    if !part.order.is_empty() {
        candidates.sort_by(|a, b| {
            let mut keys = part.order.iter().zip(a.sort.iter().zip(&b.sort));
            keys.find_map(|(key, (a, b))| ordered(a, b, key.descending))
                .unwrap_or(Ordering::Equal)
        });
    }
    candidates
        .iter()
        .take(limit)
        .map(|candidate| project(&candidate.row, &candidate.aggregates))
        .collect()
}

/// Number of rows of TOP.
fn top(node: &Node, ground: Ground<'_>) -> Outcome<usize> {
    match ground.value(node, &[], &[])? {
        Datum::Int(number) => usize::try_from(number).map_err(|_| fixed(127)),
        _ => Err(fixed(1060)),
    }
}

/// Joins the sources one by one; a row is the row numbers in each.
fn joined(part: &Select, ground: Ground<'_>) -> Outcome<Vec<Vec<usize>>> {
    let width = part.sources.len();
    let mut rows = vec![vec![NO_ROW; width]];
    for (at, source) in part.sources.iter().enumerate() {
        let mut next = Vec::new();
        let every: Vec<usize> = if source.keys.is_empty() {
            (0..source.table.rows.len()).collect()
        } else {
            Vec::new()
        };
        for mut row in rows {
            let matches = if source.keys.is_empty() {
                &every
            } else {
                matching(part, at, &row, ground)?
            };
            let mut found = false;
            for candidate in matches {
                row[at] = *candidate;
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
        let mut index: HashMap<Vec<Key>, Vec<usize>> = HashMap::new();
        let mut row = vec![NO_ROW; part.sources.len()];
        for number in 0..source.table.rows.len() {
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
