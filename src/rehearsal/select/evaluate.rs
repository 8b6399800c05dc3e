//! Values of expressions over a row.

use std::borrow::Cow;

use crate::rehearsal::message::message;
use crate::rehearsal::value::{Datum, Relation, SqlType};

use super::error::{Outcome, unknown_function};
use super::plan::{Comparison, Condition, Kind, Node, Place, Source, Subquery};
use super::value::Key;
use super::{Catalog, arithmetic, convert, function, run, text, value};

/// A row of one query, inside those of the queries around it.
#[derive(Clone, Copy)]
pub(super) struct Frame<'a> {
    pub(super) sources: &'a [Source],
    /// Row number in each source.
    pub(super) row: &'a [usize],
    /// Aggregates of the group that the row stands for.
    pub(super) aggregates: &'a [Datum],
    pub(super) outer: Option<&'a Frame<'a>>,
}

impl Frame<'_> {
    /// The row of a query without FROM.
    pub(super) const EMPTY: Frame<'static> = Frame {
        sources: &[],
        row: &[],
        aggregates: &[],
        outer: None,
    };
}

/// What is the same for all rows of one SELECT.
#[derive(Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) sources: &'a [Source],
    pub(super) outer: Option<&'a Frame<'a>>,
    pub(super) catalog: &'a dyn Catalog,
}

impl<'a> Ground<'a> {
    /// A row of the SELECT.
    pub(super) fn frame<'r>(self, row: &'r [usize], aggregates: &'r [Datum]) -> Frame<'r>
    where
        'a: 'r,
    {
        Frame {
            sources: self.sources,
            row,
            aggregates,
            outer: self.outer,
        }
    }

    /// Value of an expression over a row.
    pub(super) fn value(self, node: &Node, row: &[usize], aggregates: &[Datum]) -> Outcome<Datum> {
        Ok(evaluate(node, &self.frame(row, aggregates), self.catalog)?.into_owned())
    }

    /// Keys of expressions over a row.
    pub(super) fn keys<'n>(
        self,
        nodes: impl Iterator<Item = &'n Node>,
        row: &[usize],
    ) -> Outcome<Vec<Key>> {
        let frame = self.frame(row, &[]);
        nodes
            .map(|node| Ok(Key::of(evaluate(node, &frame, self.catalog)?.as_ref())))
            .collect()
    }

    /// Whether all conditions are true for a row.
    pub(super) fn all_hold(
        self,
        conditions: &[Condition],
        row: &[usize],
        aggregates: &[Datum],
    ) -> Outcome<bool> {
        let frame = self.frame(row, aggregates);
        for condition in conditions {
            if holds(condition, &frame, self.catalog)? != Some(true) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Value of an expression.
pub(super) fn evaluate<'e>(
    node: &'e Node,
    frame: &Frame<'e>,
    catalog: &dyn Catalog,
) -> Outcome<Cow<'e, Datum>> {
    let value = match &node.kind {
        Kind::Null => Datum::Null,
        Kind::Value(value) => return Ok(Cow::Borrowed(value)),
        Kind::Column(place) => return Ok(borrow(frame, *place)),
        Kind::Aggregate(number) => match frame.aggregates.get(*number) {
            Some(value) => return Ok(Cow::Borrowed(value)),
            None => Datum::Null,
        },
        Kind::Convert {
            operand,
            style,
            explicit,
            attempt,
        } => {
            let value = evaluate(operand, frame, catalog)?;
            let (from, to) = (operand.sql_type, node.sql_type);
            match convert::convert(&value, from, to, *style, *explicit) {
                Ok(value) => value,
                Err(error) if *attempt && is_conversion_failure(error.number) => Datum::Null,
                Err(error) => return Err(error),
            }
        }
        Kind::Arithmetic(operator, left, right) => {
            let a = evaluate(left, frame, catalog)?;
            let b = evaluate(right, frame, catalog)?;
            let left = (a.as_ref(), left.sql_type);
            let right = (b.as_ref(), right.sql_type);
            arithmetic::apply(*operator, left, right, node.sql_type)?
        }
        Kind::Concat(left, right) => {
            let a = evaluate(left, frame, catalog)?;
            let b = evaluate(right, frame, catalog)?;
            match (a.as_ref(), b.as_ref()) {
                (Datum::Text(a), Datum::Text(b)) => cut(format!("{a}{b}"), node.sql_type),
                _ => Datum::Null,
            }
        }
        Kind::Case(branches, otherwise) => {
            for (condition, value) in branches {
                if holds(condition, frame, catalog)? == Some(true) {
                    return evaluate(value, frame, catalog);
                }
            }
            return match otherwise {
                Some(node) => evaluate(node, frame, catalog),
                None => Ok(Cow::Owned(Datum::Null)),
            };
        }
        Kind::Coalesce(nodes) => {
            for node in nodes {
                let value = evaluate(node, frame, catalog)?;
                if *value != Datum::Null {
                    return Ok(value);
                }
            }
            Datum::Null
        }
        Kind::Builtin(function, nodes) => {
            let values = all(nodes, frame, catalog)?;
            cut_datum(function::apply(*function, &values, nodes)?, node.sql_type)
        }
        Kind::Ask(name, nodes) => {
            let values = all(nodes, frame, catalog)?;
            let (from, value) = catalog
                .function(name, &values)
                .unwrap_or_else(|| Err(unknown_function(name)))?;
            if from == node.sql_type {
                value
            } else {
                convert::convert(&value, from, node.sql_type, None, true)?
            }
        }
        Kind::Subquery(subquery) => {
            let rows = rows_of(subquery, frame, catalog)?;
            match rows.rows.as_slice() {
                [] => Datum::Null,
                [row] => row.first().cloned().unwrap_or(Datum::Null),
                _ => return Err(message(512, &[])),
            }
        }
    };
    Ok(Cow::Owned(value))
}

fn borrow<'e>(frame: &Frame<'e>, place: Place) -> Cow<'e, Datum> {
    // Walks by hand so that the borrow outlives this frame, not only the walk.
    let mut sources = frame.sources;
    let mut row = frame.row;
    let mut outer = frame.outer;
    for _ in 0..place.depth {
        let Some(frame) = outer else {
            return Cow::Owned(Datum::Null);
        };
        (sources, row, outer) = (frame.sources, frame.row, frame.outer);
    }
    let found = row.get(place.source).and_then(|row| {
        let source = sources.get(place.source)?;
        source.rows().get(*row)?.get(place.column)
    });
    found.map_or(Cow::Owned(Datum::Null), Cow::Borrowed)
}

fn all(nodes: &[Node], frame: &Frame<'_>, catalog: &dyn Catalog) -> Outcome<Vec<Datum>> {
    nodes
        .iter()
        .map(|node| evaluate(node, frame, catalog).map(Cow::into_owned))
        .collect()
}

/// `TRY_CAST` forgives values, not types.
fn is_conversion_failure(number: u32) -> bool {
    matches!(
        number,
        220 | 241 | 242 | 245 | 248 | 8114 | 8115 | 8169 | 8170
    )
}

/// Cuts a text to what its type holds.
fn cut(value: String, sql_type: SqlType) -> Datum {
    let (SqlType::NVarChar(Some(length)) | SqlType::VarChar(Some(length))) = sql_type else {
        return Datum::Text(value);
    };
    if text::units(&value) <= usize::from(length) {
        return Datum::Text(value);
    }
    Datum::Text(text::slice(&value, 0, usize::from(length)))
}

fn cut_datum(value: Datum, sql_type: SqlType) -> Datum {
    match value {
        Datum::Text(value) => cut(value, sql_type),
        other => other,
    }
}

/// Truth of a condition; `None` = unknown.
pub(super) fn holds(
    condition: &Condition,
    frame: &Frame<'_>,
    catalog: &dyn Catalog,
) -> Outcome<Option<bool>> {
    Ok(match condition {
        Condition::Compare(comparison, left, right) => {
            let a = evaluate(left, frame, catalog)?;
            let b = evaluate(right, frame, catalog)?;
            compare(*comparison, &a, &b)
        }
        Condition::Like {
            value,
            pattern,
            escape,
        } => {
            let narrow = matches!(
                (value.sql_type, pattern.sql_type),
                (SqlType::VarChar(_), SqlType::VarChar(_))
            );
            let value = evaluate(value, frame, catalog)?;
            let pattern = evaluate(pattern, frame, catalog)?;
            let escape = match escape {
                Some(node) => match evaluate(node, frame, catalog)?.as_ref() {
                    Datum::Text(text) => text.chars().next(),
                    _ => return Ok(None),
                },
                None => None,
            };
            match (value.as_ref(), pattern.as_ref()) {
                (Datum::Text(value), Datum::Text(pattern)) => Some(
                    text::like(value, pattern, escape)
                        // For varchar the value's trailing blanks do not count.
                        || narrow && text::like(value.trim_end_matches(' '), pattern, escape),
                ),
                _ => None,
            }
        }
        Condition::IsNull(node) => Some(*evaluate(node, frame, catalog)? == Datum::Null),
        Condition::In(node, subquery) => {
            let value = evaluate(node, frame, catalog)?;
            is_member(&value, subquery, frame, catalog)?
        }
        Condition::Exists(subquery) => Some(!rows_of(subquery, frame, catalog)?.rows.is_empty()),
        Condition::And(parts) => {
            let mut result = Some(true);
            for part in parts {
                match holds(part, frame, catalog)? {
                    Some(true) => {}
                    Some(false) => return Ok(Some(false)),
                    None => result = None,
                }
            }
            result
        }
        Condition::Or(parts) => {
            let mut result = Some(false);
            for part in parts {
                match holds(part, frame, catalog)? {
                    Some(false) => {}
                    Some(true) => return Ok(Some(true)),
                    None => result = None,
                }
            }
            result
        }
        Condition::Not(part) => holds(part, frame, catalog)?.map(|truth| !truth),
    })
}

fn compare(comparison: Comparison, a: &Datum, b: &Datum) -> Option<bool> {
    if *a == Datum::Null || *b == Datum::Null {
        return None;
    }
    Some(match comparison {
        Comparison::Equal => value::equal(a, b),
        Comparison::NotEqual => !value::equal(a, b),
        Comparison::Less => value::compare(a, b).is_lt(),
        Comparison::LessOrEqual => value::compare(a, b).is_le(),
        Comparison::Greater => value::compare(a, b).is_gt(),
        Comparison::GreaterOrEqual => value::compare(a, b).is_ge(),
    })
}

/// `value IN (subquery)`; over no rows it is false, even for NULL.
fn is_member(
    value: &Datum,
    subquery: &Subquery,
    frame: &Frame<'_>,
    catalog: &dyn Catalog,
) -> Outcome<Option<bool>> {
    let made;
    let (members, null) = if let Some(members) = subquery.members.get() {
        members
    } else {
        let rows = rows_of(subquery, frame, catalog)?;
        let mut null = false;
        let mut keys = std::collections::HashSet::new();
        for key in rows.rows.iter().filter_map(|row| row.first()).map(Key::of) {
            null |= key == Key::Null;
            keys.insert(key);
        }
        if subquery.free.is_empty() {
            subquery.members.get_or_init(|| (keys, null))
        } else {
            made = (keys, null);
            &made
        }
    };
    Ok(if members.is_empty() {
        Some(false)
    } else if *value == Datum::Null {
        None
    } else if members.contains(&Key::of(value)) {
        Some(true)
    } else if *null {
        None
    } else {
        Some(false)
    })
}

/// Rows of a subquery, read once if they are the same for every row outside.
fn rows_of<'s>(
    subquery: &'s Subquery,
    frame: &Frame<'_>,
    catalog: &dyn Catalog,
) -> Outcome<Cow<'s, Relation>> {
    if !subquery.free.is_empty() {
        return run::query(&subquery.query, Some(frame), catalog).map(Cow::Owned);
    }
    if let Some(rows) = subquery.rows.get() {
        return Ok(Cow::Borrowed(rows));
    }
    let rows = run::query(&subquery.query, Some(frame), catalog)?;
    Ok(Cow::Borrowed(subquery.rows.get_or_init(|| rows)))
}
