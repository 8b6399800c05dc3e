//! Binding of UNION, and of what gives the column of a whole query another type.

use sqlparser::ast;

use crate::rehearsal::message::{message, syntax};
use crate::rehearsal::value::{Column, SqlType};

use super::bind::{Binder, Free, Role};
use super::error::{Outcome, too_deep};
use super::plan::{Node, Query};
use super::projection::{output_column, sort_direction};
use super::types;

/// How many SELECTs a UNION may have.
const UNIONS: usize = 100;
impl Query {
    /// Gives its only column another type, for the comparison with what stands before IN.
    pub(super) fn retype(&mut self, to: SqlType) -> Outcome<()> {
        for select in &mut self.selects {
            if !select.order.is_empty() {
                // It would be sorted as what it was, not as what it becomes.
                return Err(syntax("ORDER"));
            }
            let output = std::mem::take(&mut select.output).into_iter();
            let output = output.map(|node| node.implicit(to));
            select.output = output.collect::<Outcome<_>>()?;
        }
        for column in &mut self.columns {
            column.sql_type = to;
        }
        Ok(())
    }
}

impl Binder<'_> {
    /// Binds the SELECTs of a UNION, and brings their columns to one type.
    pub(super) fn union(
        &mut self,
        union: &ast::SetExpr,
        order: &[ast::OrderByExpr],
    ) -> Outcome<(Query, Vec<Free>)> {
        let (parts, distinct) = union_parts(union)?;
        let mut selects = Vec::new();
        let mut columns: Vec<Column> = Vec::new();
        let mut nulls: Vec<bool> = Vec::new();
        let mut free = Vec::new();
        for part in parts {
            let (select, own, mut reads) = self.select(part, &[], Role::Inner)?;
            free.append(&mut reads);
            let own_nulls = select.output.iter().map(Node::is_null);
            if selects.is_empty() {
                nulls = own_nulls.collect();
                columns = own;
            } else {
                if own.len() != columns.len() {
                    return Err(message(205, &[]));
                }
                for ((column, null), (other, other_null)) in columns
                    .iter_mut()
                    .zip(&mut nulls)
                    .zip(own.iter().zip(own_nulls))
                {
                    if *null {
                        column.sql_type = other.sql_type;
                    } else if !other_null {
                        column.sql_type = types::common(column.sql_type, other.sql_type);
                    }
                    *null &= other_null;
                }
            }
            selects.push(select);
        }
        for select in &mut selects {
            let output = std::mem::take(&mut select.output);
            for (node, column) in output.into_iter().zip(&columns) {
                select.output.push(node.implicit(column.sql_type)?);
            }
        }
        let mut keys = Vec::new();
        for key in order {
            let (expr, descending) = sort_direction(key)?;
            match output_column(expr, &columns)? {
                Some(at) => keys.push((at, descending)),
                None => return Err(syntax(expr)),
            }
        }
        let query = Query {
            selects,
            distinct,
            columns,
            order: keys,
        };
        Ok((query, free))
    }
}

/// The SELECTs of a UNION, and whether equal rows count once.
fn union_parts(union: &ast::SetExpr) -> Outcome<(Vec<&ast::Select>, bool)> {
    let mut parts = Vec::new();
    let mut quantifiers = Vec::new();
    let mut rest = union;
    // A chain of UNIONs leans to the left.
    while let ast::SetExpr::SetOperation {
        left,
        op: ast::SetOperator::Union,
        set_quantifier,
        right,
    } = rest
    {
        let ast::SetExpr::Select(select) = right.as_ref() else {
            return Err(syntax(right));
        };
        quantifiers.push(match set_quantifier {
            ast::SetQuantifier::All => false,
            ast::SetQuantifier::None => true,
            other => return Err(syntax(other)),
        });
        parts.push(select.as_ref());
        rest = left;
        if parts.len() > UNIONS {
            return Err(too_deep());
        }
    }
    match rest {
        ast::SetExpr::Select(select) => parts.push(select),
        other => return Err(syntax(other)),
    }
    parts.reverse();
    let distinct = quantifiers.first().copied().unwrap_or(false);
    if quantifiers.iter().any(|other| *other != distinct) {
        return Err(syntax("UNION"));
    }
    Ok((parts, distinct))
}
