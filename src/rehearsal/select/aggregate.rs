//! Grouping, and the aggregates of a group.

use std::collections::{HashMap, HashSet};

use crate::rehearsal::value::{Datum, SqlType};

use super::convert::{integer, power, scale_of};
use super::error::{Outcome, overflow};
use super::evaluate::Ground;
use super::plan::{Aggregate, AggregateFunction, Group, NO_ROW};
use super::types;
use super::value::{Key, compare};

/// A row that stands for its group, and the group's aggregates.
pub(super) type Grouped = (Vec<usize>, Vec<Datum>);

/// Groups rows in the order in which each group is first seen, and keeps what HAVING accepts.
///
/// Without GROUP BY all rows are one group, even when there are none.
pub(super) fn groups(
    group: &Group,
    ground: Ground<'_>,
    rows: Vec<Vec<usize>>,
) -> Outcome<Vec<Grouped>> {
    let mut numbers: HashMap<Vec<Key>, usize> = HashMap::new();
    let mut found: Vec<(Vec<usize>, Vec<Running>)> = Vec::new();
    let start = || group.aggregates.iter().map(Running::new).collect();
    if group.keys.is_empty() {
        numbers.insert(Vec::new(), 0);
        found.push((vec![NO_ROW; ground.sources.len()], start()));
    }
    for row in rows {
        let keys = ground.keys(group.keys.iter(), &row)?;
        let number = *numbers.entry(keys).or_insert_with(|| {
            found.push((row.clone(), start()));
            found.len() - 1
        });
        for running in &mut found[number].1 {
            let value = match &running.aggregate.argument {
                Some(node) => ground.value(node, &row, &[])?,
                // COUNT(*) counts rows, whatever they hold.
                None => Datum::Int(1),
            };
            running.take(value)?;
        }
    }
    let mut kept = Vec::new();
    for (row, running) in found {
        let aggregates = running
            .into_iter()
            .map(Running::finish)
            .collect::<Outcome<Vec<_>>>()?;
        if ground.all_hold(group.having.as_slice(), &row, &aggregates)? {
            kept.push((row, aggregates));
        }
    }
    Ok(kept)
}

/// An aggregate over the rows seen so far.
struct Running<'a> {
    aggregate: &'a Aggregate,
    count: i64,
    value: Datum,
    seen: HashSet<Key>,
}

impl<'a> Running<'a> {
    fn new(aggregate: &'a Aggregate) -> Self {
        Self {
            aggregate,
            count: 0,
            value: Datum::Null,
            seen: HashSet::new(),
        }
    }

    /// NULLs are left out, as every aggregate but COUNT(*) does.
    fn take(&mut self, value: Datum) -> Outcome<()> {
        if value == Datum::Null || self.aggregate.distinct && !self.seen.insert(Key::of(&value)) {
            return Ok(());
        }
        self.count += 1;
        let better = |wanted| self.value == Datum::Null || compare(&value, &self.value) == wanted;
        match self.aggregate.function {
            AggregateFunction::Count => {}
            AggregateFunction::Max => {
                if better(std::cmp::Ordering::Greater) {
                    self.value = value;
                }
            }
            AggregateFunction::Min => {
                if better(std::cmp::Ordering::Less) {
                    self.value = value;
                }
            }
            AggregateFunction::Sum | AggregateFunction::Average => {
                self.value = match (&self.value, value) {
                    (Datum::Null, Datum::Int(b)) => Datum::Numeric(i128::from(b)),
                    (Datum::Null, other) => other,
                    (Datum::Float(a), Datum::Float(b)) => Datum::Float(a + b),
                    // No count of rows makes 64-bit numbers overflow 127 bits.
                    (Datum::Numeric(a), Datum::Int(b)) => Datum::Numeric(a + i128::from(b)),
                    (Datum::Numeric(a), Datum::Numeric(b)) => {
                        let sum = a.checked_add(b);
                        Datum::Numeric(sum.ok_or_else(|| overflow(self.aggregate.sql_type))?)
                    }
                    (sum, _) => sum.clone(),
                };
            }
        }
        Ok(())
    }

    fn finish(self) -> Outcome<Datum> {
        let to = self.aggregate.sql_type;
        let count = i128::from(self.count);
        match (self.aggregate.function, self.value) {
            (AggregateFunction::Count, _) => integer(count, to),
            (AggregateFunction::Sum, Datum::Numeric(sum)) if types::is_integer(to) => {
                integer(sum, to)
            }
            (AggregateFunction::Average, Datum::Null) => Ok(Datum::Null),
            (AggregateFunction::Average, Datum::Numeric(sum)) if types::is_integer(to) => {
                integer(sum / count.max(1), to)
            }
            #[allow(clippy::cast_precision_loss)] // a float holds what it holds
            (AggregateFunction::Average, Datum::Float(sum)) => {
                Ok(Datum::Float(sum / self.count.max(1) as f64))
            }
            (AggregateFunction::Average, Datum::Numeric(sum)) => {
                let from = self.aggregate.argument.as_ref().map(|node| node.sql_type);
                let up = scale_of(to) - from.map_or(0, scale_of).min(scale_of(to));
                let sum = power(up).and_then(|factor| sum.checked_mul(factor));
                Ok(Datum::Numeric(
                    sum.ok_or_else(|| overflow(to))? / count.max(1),
                ))
            }
            (_, value) => Ok(value),
        }
    }
}

/// Type of an aggregate over a type, where it takes that.
pub(super) fn result_type(function: AggregateFunction, argument: SqlType) -> Option<SqlType> {
    match function {
        AggregateFunction::Count => Some(SqlType::Int),
        AggregateFunction::Max | AggregateFunction::Min => {
            (argument != SqlType::Bit).then_some(argument)
        }
        AggregateFunction::Sum | AggregateFunction::Average => match argument {
            SqlType::TinyInt | SqlType::SmallInt | SqlType::Int => Some(SqlType::Int),
            SqlType::BigInt | SqlType::Float => Some(argument),
            SqlType::Numeric(_, scale) if function == AggregateFunction::Average => {
                Some(SqlType::Numeric(38, scale.max(6)))
            }
            SqlType::Numeric(_, scale) => Some(SqlType::Numeric(38, scale)),
            _ => None,
        },
    }
}
