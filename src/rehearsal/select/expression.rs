//! Binding of expressions that give a value.

use sqlparser::ast::{self, BinaryOperator, Expr, Value};

use crate::rehearsal::hex::parse_hex;
use crate::rehearsal::message::{message, syntax};
use crate::rehearsal::type_name::MAX_PRECISION;
use crate::rehearsal::value::{Datum, SqlType};

use super::bind::{Binder, Role};
use super::error::{Outcome, too_deep};
use super::plan::{Comparison, Condition, Kind, Node, Operator};
use super::{arithmetic, convert, from, text, types};

/// How many operators may follow one another without parentheses.
const CHAIN: usize = 200;
/// Names that are functions although no parentheses follow.
const NILADIC: [&str; 5] = [
    "CURRENT_TIMESTAMP",
    "CURRENT_USER",
    "SESSION_USER",
    "SYSTEM_USER",
    "USER",
];

impl Node {
    /// The same value in another type, where the server converts without being asked.
    pub(super) fn implicit(self, to: SqlType) -> Outcome<Self> {
        self.converted(to, None, false, false)
    }

    fn converted(
        self,
        to: SqlType,
        style: Option<i64>,
        explicit: bool,
        attempt: bool,
    ) -> Outcome<Self> {
        if self.is_null() {
            return Ok(Self::new(Kind::Value(Datum::Null), to));
        }
        if self.sql_type == to && style.is_none() {
            return Ok(self);
        }
        convert::check(self.sql_type, to, explicit)?;
        if style.is_none() && is_wider(self.sql_type, to) {
            return Ok(Self::new(self.kind, to));
        }
        if let Kind::Value(value) = &self.kind {
            // A failure is left to the moment at which the value is asked for, if it ever is.
            if let Ok(value) = convert::convert(value, self.sql_type, to, style, explicit) {
                return Ok(Self::new(Kind::Value(value), to));
            }
        }
        let kind = Kind::Convert {
            operand: Box::new(self),
            style,
            explicit,
            attempt,
        };
        Ok(Self::new(kind, to))
    }

    /// The value as text; numbers are converted, a `sql_variant` is refused.
    pub(super) fn into_text(self) -> Outcome<Self> {
        if types::is_text(self.sql_type) {
            return Ok(self);
        }
        self.implicit(SqlType::VarChar(Some(8000)))
    }
}

/// Whether every value of `from` is the same datum in `to`.
fn is_wider(from: SqlType, to: SqlType) -> bool {
    let covers = |own: Option<u16>, other: Option<u16>| match (own, other) {
        (_, None) => true,
        (Some(own), Some(other)) => own <= other,
        (None, Some(_)) => false,
    };
    match (from, to) {
        (
            SqlType::NVarChar(a) | SqlType::VarChar(a),
            SqlType::NVarChar(b) | SqlType::VarChar(b),
        )
        | (SqlType::VarBinary(a), SqlType::VarBinary(b)) => covers(a, b),
        (SqlType::Numeric(p1, s1), SqlType::Numeric(p2, s2)) => s1 == s2 && p1 <= p2,
        (_, SqlType::Variant) => !matches!(from, SqlType::Numeric(_, 1..)),
        _ => match (types::range(from), types::range(to)) {
            (Some((low, high)), Some((lowest, highest))) => lowest <= low && high <= highest,
            _ => false,
        },
    }
}

/// Type that all the nodes can take; the constant NULL takes any. `None` where all are that.
pub(super) fn common_type(nodes: &[Node]) -> Option<SqlType> {
    let known = nodes.iter().filter(|node| !node.is_null());
    known.map(|node| node.sql_type).reduce(types::common)
}

/// Brings both sides of a comparison to one type.
pub(super) fn comparable(left: Node, right: Node) -> Outcome<(Node, Node)> {
    let both = [left, right];
    let to = common_type(&both).unwrap_or(SqlType::Int);
    let [left, right] = both;
    let same = |a: SqlType, b: SqlType| {
        types::is_integer(a) && types::is_integer(b) || types::is_text(a) && types::is_text(b)
    };
    if same(left.sql_type, right.sql_type) {
        return Ok((left, right));
    }
    // Text takes the type of a number but not its length or precision.
    let to = match to {
        SqlType::Numeric(_, scale) => SqlType::Numeric(MAX_PRECISION, scale),
        other => other,
    };
    Ok((left.implicit(to)?, right.implicit(to)?))
}

impl Binder<'_> {
    /// Binds an expression that gives a value.
    pub(super) fn value(&mut self, expr: &Expr) -> Outcome<Node> {
        self.deeper(|binder| binder.value_here(expr))
    }

    fn value_here(&mut self, expr: &Expr) -> Outcome<Node> {
        match expr {
            Expr::Identifier(name) => self.name(name),
            Expr::CompoundIdentifier(names) => {
                let parts: Vec<String> = names.iter().map(|name| name.value.clone()).collect();
                self.column(&parts)
            }
            Expr::Value(ast::ValueWithSpan { value, span: _ }) => literal(value),
            Expr::Nested(inner) => self.value(inner),
            Expr::UnaryOp { op, expr: operand } => self.sign(*op, operand),
            Expr::BinaryOp { .. } => self.operators(expr),
            Expr::Cast {
                kind,
                expr: operand,
                data_type,
                format: None,
            } => {
                let attempt = match kind {
                    ast::CastKind::Cast => false,
                    ast::CastKind::TryCast => true,
                    ast::CastKind::SafeCast | ast::CastKind::DoubleColon => {
                        return Err(syntax(expr));
                    }
                };
                let to = types::from_syntax(data_type)?;
                self.value(operand)?.converted(to, None, true, attempt)
            }
            Expr::Convert {
                is_try,
                expr: operand,
                data_type: Some(data_type),
                charset: None,
                target_before_value: true,
                styles,
            } => {
                let to = types::from_syntax(data_type)?;
                let style = match styles.as_slice() {
                    [] => None,
                    [style] => match self.value(style)?.kind {
                        Kind::Value(Datum::Int(style)) => Some(style),
                        _ => return Err(syntax(style)),
                    },
                    _ => return Err(syntax(expr)),
                };
                self.value(operand)?.converted(to, style, true, *is_try)
            }
            Expr::Case {
                case_token: _,
                end_token: _,
                operand,
                conditions,
                else_result,
            } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            Expr::Function(function) => self.function(function),
            Expr::Substring {
                expr: operand,
                substring_from: Some(start),
                substring_for: Some(length),
                // With commas, as T-SQL has it.
                special: true,
                shorthand: false,
            } => self.call("SUBSTRING", &[operand, start, length]),
            Expr::Trim {
                trim_where: None,
                trim_what: None,
                expr: operand,
                trim_characters: None,
            } => self.call("TRIM", &[operand]),
            Expr::Collate {
                expr: operand,
                collation,
            } => {
                let name = from::name_parts(collation)?.join(".").to_uppercase();
                // All text here is compared so; another collation would compare otherwise.
                if name == "DATABASE_DEFAULT"
                    || name == "CATALOG_DEFAULT"
                    || name.ends_with("_CI_AS")
                {
                    self.value(operand)
                } else {
                    Err(syntax(collation))
                }
            }
            Expr::Subquery(query) => {
                let subquery = self.subquery(query, Role::Inner)?;
                let column = subquery.query.columns.first();
                let sql_type = column.map_or(SqlType::Int, |column| column.sql_type);
                Ok(Node::new(Kind::Subquery(subquery), sql_type))
            }
            other => Err(syntax(other)),
        }
    }

    fn name(&mut self, name: &ast::Ident) -> Outcome<Node> {
        if name.quote_style.is_none() {
            let upper = name.value.to_uppercase();
            if upper.starts_with('@') {
                let found = self.catalog.variable(&upper);
                let (sql_type, value) = found.ok_or_else(|| message(137, &[&name.value]))?;
                return Ok(Node::new(Kind::Value(value), sql_type));
            }
            if NILADIC.contains(&upper.as_str()) {
                return self.ask(&upper, Vec::new());
            }
        }
        self.column(std::slice::from_ref(&name.value))
    }

    fn sign(&mut self, op: ast::UnaryOperator, operand: &Expr) -> Outcome<Node> {
        let node = self.value(operand)?;
        match op {
            ast::UnaryOperator::Plus if types::is_number(node.sql_type) => Ok(node),
            ast::UnaryOperator::Minus => {
                if let Kind::Value(Datum::Numeric(number)) = node.kind {
                    // The digits of -2147483648 are no int, but with their sign they are.
                    let number = number.checked_neg().ok_or_else(|| syntax(operand))?;
                    return Ok(Node::new(
                        Kind::Value(Datum::Numeric(number)),
                        node.sql_type,
                    ));
                }
                let zero = Node::new(Kind::Value(Datum::Int(0)), SqlType::TinyInt);
                operate(Operator::Subtract, (zero, true), (node, false))
            }
            other => Err(syntax(other)),
        }
    }

    /// `a + b - c`, which leans to the left and may be long.
    fn operators(&mut self, expr: &Expr) -> Outcome<Node> {
        let mut chain = Vec::new();
        let mut first = expr;
        while let Expr::BinaryOp { left, op, right } = first {
            let Some(operator) = operator(op) else {
                break;
            };
            // T-SQL reads + - & | ^ from left to right, all of one rank; the parser ranks them. Where
            // the two differ, parentheses must say what is meant.
            if is_bitwise(operator)
                && matches!(right.as_ref(), Expr::BinaryOp { op, .. } if is_additive(op))
            {
                return Err(syntax(expr));
            }
            chain.push((operator, right.as_ref()));
            first = left;
            if chain.len() > CHAIN {
                return Err(too_deep());
            }
        }
        if chain.is_empty() {
            return Err(syntax(expr));
        }
        let mut left = (self.value(first)?, is_number_literal(first));
        for (operator, right) in chain.into_iter().rev() {
            let right = (self.value(right)?, is_number_literal(right));
            left = (operate(operator, left, right)?, false);
        }
        Ok(left.0)
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[ast::CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Outcome<Node> {
        let mut tests = Vec::new();
        let mut results = Vec::new();
        for ast::CaseWhen { condition, result } in conditions {
            tests.push(match operand {
                None => self.condition(condition)?,
                Some(operand) => {
                    let (left, right) = (self.value(operand)?, self.value(condition)?);
                    let (left, right) = comparable(left, right)?;
                    Condition::Compare(Comparison::Equal, Box::new(left), Box::new(right))
                }
            });
            results.push(self.value(result)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.value(otherwise)?);
        }
        case_of(tests, results)
    }
}

/// A CASE over bound parts; one result more than tests is the ELSE.
pub(super) fn case_of(tests: Vec<Condition>, results: Vec<Node>) -> Outcome<Node> {
    let to = common_type(&results).ok_or_else(|| message(8133, &[]))?;
    let results = results.into_iter().map(|node| node.implicit(to));
    let mut results = results.collect::<Outcome<Vec<_>>>()?;
    let otherwise = if results.len() > tests.len() {
        results.pop().map(Box::new)
    } else {
        None
    };
    let branches = tests.into_iter().zip(results).collect();
    Ok(Node::new(Kind::Case(branches, otherwise), to))
}

fn operator(op: &BinaryOperator) -> Option<Operator> {
    Some(match op {
        BinaryOperator::Plus => Operator::Add,
        BinaryOperator::Minus => Operator::Subtract,
        BinaryOperator::Multiply => Operator::Multiply,
        BinaryOperator::Divide => Operator::Divide,
        BinaryOperator::Modulo => Operator::Modulo,
        BinaryOperator::BitwiseAnd => Operator::And,
        BinaryOperator::BitwiseOr => Operator::Or,
        BinaryOperator::BitwiseXor => Operator::Xor,
        _ => return None,
    })
}

fn is_bitwise(operator: Operator) -> bool {
    matches!(operator, Operator::And | Operator::Or | Operator::Xor)
}

/// Whether it ranks with `+` in T-SQL.
fn is_additive(op: &BinaryOperator) -> bool {
    matches!(operator(op), Some(operator) if is_bitwise(operator)
        || matches!(operator, Operator::Add | Operator::Subtract))
}

/// Applies an operator to two nodes; each says whether it is a number literal, which has just the
/// precision that its digits need.
fn operate(operator: Operator, left: (Node, bool), right: (Node, bool)) -> Outcome<Node> {
    let ((left, left_literal), (right, right_literal)) = (left, right);
    // NULL takes the type of the other side.
    let (left_type, right_type) = match (left.is_null(), right.is_null()) {
        (true, false) => (right.sql_type, right.sql_type),
        (false, true) => (left.sql_type, left.sql_type),
        _ => (left.sql_type, right.sql_type),
    };
    if operator == Operator::Add && types::is_text(left_type) && types::is_text(right_type) {
        let to = types::concatenated(left_type, right_type);
        let kind = Kind::Concat(
            Box::new(left.implicit(left_type)?),
            Box::new(right.implicit(right_type)?),
        );
        return Ok(Node::new(kind, to));
    }
    for (one, other) in [(left_type, right_type), (right_type, left_type)] {
        if one == SqlType::Variant {
            return Err(message(206, &[one.name(), other.name()]));
        }
    }
    let numeric =
        matches!(left_type, SqlType::Numeric(..)) || matches!(right_type, SqlType::Numeric(..));
    let exact = |node: &Node, sql_type, literal| match &node.kind {
        Kind::Value(Datum::Int(number)) if literal && numeric => {
            let digits = u8::try_from(number.unsigned_abs().to_string().len()).unwrap_or(19);
            SqlType::Numeric(digits, 0)
        }
        _ => sql_type,
    };
    let left_type = exact(&left, left_type, left_literal);
    let right_type = exact(&right, right_type, right_literal);
    let (left_to, right_to, to) = arithmetic::result_type(operator, left_type, right_type)?;
    let left = Box::new(left.implicit(left_to)?);
    let right = Box::new(right.implicit(right_to)?);
    Ok(Node::new(Kind::Arithmetic(operator, left, right), to))
}

fn is_number_literal(expr: &Expr) -> bool {
    matches!(
        expr,
        Expr::Value(ast::ValueWithSpan {
            value: Value::Number(..),
            ..
        })
    )
}

fn literal(value: &Value) -> Outcome<Node> {
    let (datum, sql_type) = match value {
        Value::Number(digits, false) => number(digits).ok_or_else(|| syntax(digits))?,
        Value::SingleQuotedString(value) => {
            let sql_type = types::literal_text(text::units(value), false);
            (Datum::Text(value.clone()), sql_type)
        }
        Value::NationalStringLiteral(value) => {
            let sql_type = types::literal_text(text::units(value), true);
            (Datum::Text(value.clone()), sql_type)
        }
        Value::HexStringLiteral(digits) => {
            let bytes = parse_hex(digits).ok_or_else(|| syntax(digits))?;
            let length = u16::try_from(bytes.len().max(1)).ok();
            let length = length.filter(|length| *length <= 8000);
            (Datum::Bytes(bytes), SqlType::VarBinary(length))
        }
        // An int until something wants it to be another type.
        Value::Null => return Ok(Node::new(Kind::Null, SqlType::Int)),
        other => return Err(syntax(other)),
    };
    Ok(Node::new(Kind::Value(datum), sql_type))
}

/// An int where it fits, a float where it has an exponent, else a numeric.
fn number(digits: &str) -> Option<(Datum, SqlType)> {
    if let Ok(number) = digits.parse::<i32>() {
        return Some((Datum::Int(i64::from(number)), SqlType::Int));
    }
    if digits.contains(['e', 'E']) {
        let number = digits.parse::<f64>().ok()?;
        return number
            .is_finite()
            .then_some((Datum::Float(number), SqlType::Float));
    }
    let (number, scale) = convert::parse_decimal(digits)?;
    let significant = u8::try_from(number.unsigned_abs().to_string().len()).ok()?;
    let precision = significant.max(scale).max(1);
    (precision <= MAX_PRECISION)
        .then_some((Datum::Numeric(number), SqlType::Numeric(precision, scale)))
}
