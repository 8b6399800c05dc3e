//! Binding of expressions that are true, false or unknown.

use std::rc::Rc;

use sqlparser::ast::{self, BinaryOperator, Expr};

use crate::rehearsal::message::syntax;
use crate::rehearsal::value::SqlType;

use super::bind::{Binder, Role};
use super::error::{Outcome, not_a_condition, too_deep};
use super::expression::comparable;
use super::plan::{Comparison, Condition, Node};
use super::types;

/// How many conditions AND or OR may join without parentheses.
const CHAIN: usize = 2_000;

impl Binder<'_> {
    /// Binds a condition.
    pub(super) fn condition(&mut self, expr: &Expr) -> Outcome<Condition> {
        self.deeper(|binder| binder.condition_here(expr))
    }

    fn condition_here(&mut self, expr: &Expr) -> Outcome<Condition> {
        match expr {
            Expr::Nested(inner) => self.condition(inner),
            Expr::UnaryOp {
                op: ast::UnaryOperator::Not,
                expr,
            } => Ok(not(self.condition(expr)?)),
            Expr::BinaryOp { left, op, right } => match op {
                BinaryOperator::And => Ok(Condition::And(self.chain(expr, &BinaryOperator::And)?)),
                BinaryOperator::Or => Ok(Condition::Or(self.chain(expr, &BinaryOperator::Or)?)),
                op => match comparison(op) {
                    Some(comparison) => {
                        let (left, right) = (self.value(left)?, self.value(right)?);
                        compare(comparison, left, right)
                    }
                    None => Err(not_a_condition(expr)),
                },
            },
            Expr::IsNull(operand) => Ok(Condition::IsNull(Box::new(self.value(operand)?))),
            Expr::IsNotNull(operand) => Ok(not(Condition::IsNull(Box::new(self.value(operand)?)))),
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => {
                let node = self.value(expr)?;
                let (low, high) = (self.value(low)?, self.value(high)?);
                let both = Condition::And(vec![
                    compare(Comparison::GreaterOrEqual, node.clone(), low)?,
                    compare(Comparison::LessOrEqual, node, high)?,
                ]);
                Ok(maybe_not(*negated, both))
            }
            Expr::In {
                expr,
                target,
                negated,
                global: false,
            } => {
                let found = self.membership(expr, target)?;
                Ok(maybe_not(*negated, found))
            }
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => {
                let value = Box::new(self.value(expr)?.into_text()?);
                let pattern = Box::new(self.value(pattern)?.into_text()?);
                let escape = match escape_char {
                    Some(escape) => Some(Box::new(self.value(escape)?.into_text()?)),
                    None => None,
                };
                let like = Condition::Like {
                    value,
                    pattern,
                    escape,
                };
                Ok(maybe_not(*negated, like))
            }
            Expr::Exists { subquery, negated } => {
                let subquery = self.subquery(subquery, Role::Exists)?;
                Ok(maybe_not(*negated, Condition::Exists(subquery)))
            }
            // A value where a condition is wanted, unless it is not even that.
            other => {
                self.value(other)?;
                Err(not_a_condition(other))
            }
        }
    }

    /// The conditions that one operator joins, which lean to the left and may be many.
    fn chain(&mut self, expr: &Expr, wanted: &BinaryOperator) -> Outcome<Vec<Condition>> {
        let mut parts = Vec::new();
        let mut rest = expr;
        while let Expr::BinaryOp { left, op, right } = rest {
            if op != wanted {
                break;
            }
            parts.push(right.as_ref());
            rest = left;
            if parts.len() > CHAIN {
                return Err(too_deep());
            }
        }
        parts.push(rest);
        parts
            .into_iter()
            .rev()
            .map(|part| self.condition(part))
            .collect()
    }

    fn membership(&mut self, expr: &Expr, target: &ast::InTarget) -> Outcome<Condition> {
        match target {
            ast::InTarget::List(list) if !list.is_empty() => {
                let node = self.value(expr)?;
                let equal = list.iter().map(|item| {
                    let item = self.value(item)?;
                    compare(Comparison::Equal, node.clone(), item)
                });
                Ok(Condition::Or(equal.collect::<Outcome<Vec<_>>>()?))
            }
            ast::InTarget::Subquery(query) => {
                let node = self.value(expr)?;
                let mut subquery = self.subquery(query, Role::Inner)?;
                let column = subquery.query.columns.first();
                let own = column.map_or(SqlType::Int, |column| column.sql_type);
                let alike = types::is_text(node.sql_type) && types::is_text(own)
                    || types::is_integer(node.sql_type) && types::is_integer(own);
                if alike {
                    return Ok(Condition::In(Box::new(node), subquery));
                }
                let to = if node.is_null() {
                    own
                } else {
                    types::common(node.sql_type, own)
                };
                if let Some(subquery) = Rc::get_mut(&mut subquery) {
                    subquery.query.retype(to)?;
                }
                Ok(Condition::In(Box::new(node.implicit(to)?), subquery))
            }
            other => Err(syntax(other)),
        }
    }
}

fn compare(comparison: Comparison, left: Node, right: Node) -> Outcome<Condition> {
    let (left, right) = comparable(left, right)?;
    Ok(Condition::Compare(
        comparison,
        Box::new(left),
        Box::new(right),
    ))
}

fn not(condition: Condition) -> Condition {
    Condition::Not(Box::new(condition))
}

fn maybe_not(negated: bool, condition: Condition) -> Condition {
    if negated { not(condition) } else { condition }
}

fn comparison(op: &BinaryOperator) -> Option<Comparison> {
    Some(match op {
        BinaryOperator::Eq => Comparison::Equal,
        BinaryOperator::NotEq => Comparison::NotEqual,
        BinaryOperator::Lt => Comparison::Less,
        BinaryOperator::LtEq => Comparison::LessOrEqual,
        BinaryOperator::Gt => Comparison::Greater,
        BinaryOperator::GtEq => Comparison::GreaterOrEqual,
        _ => return None,
    })
}
