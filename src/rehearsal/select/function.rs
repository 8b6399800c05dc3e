//! Functions: aggregates, what is computed here, and what the catalog answers.

use sqlparser::ast::{self, Expr};

use crate::rehearsal::message::{message, syntax};
use crate::rehearsal::value::{Datum, SqlType};

use super::aggregate;
use super::bind::{Binder, Stage, refuse};
use super::error::{Outcome, argument_count, overflow, unknown_function};
use super::expression::{case_of, common_type, comparable};
use super::from::name_parts;
use super::plan::{Aggregate, AggregateFunction, Comparison, Condition, Item, Kind, Node};
use super::{text, types};

/// Functions of their arguments alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Builtin {
    Abs,
    CharIndex,
    DataLength,
    Left,
    Len,
    Lower,
    LTrim,
    QuoteName,
    Replace,
    Right,
    RTrim,
    Substring,
    Trim,
    Upper,
}

/// Name, function, least and greatest number of arguments.
const BUILTINS: [(&str, Builtin, usize, usize); 14] = [
    ("ABS", Builtin::Abs, 1, 1),
    ("CHARINDEX", Builtin::CharIndex, 2, 3),
    ("DATALENGTH", Builtin::DataLength, 1, 1),
    ("LEFT", Builtin::Left, 2, 2),
    ("LEN", Builtin::Len, 1, 1),
    ("LOWER", Builtin::Lower, 1, 1),
    ("LTRIM", Builtin::LTrim, 1, 1),
    ("QUOTENAME", Builtin::QuoteName, 1, 2),
    ("REPLACE", Builtin::Replace, 3, 3),
    ("RIGHT", Builtin::Right, 2, 2),
    ("RTRIM", Builtin::RTrim, 1, 1),
    ("SUBSTRING", Builtin::Substring, 3, 3),
    ("TRIM", Builtin::Trim, 1, 1),
    ("UPPER", Builtin::Upper, 1, 1),
];

/// Name, function, type of a count.
const AGGREGATES: [(&str, AggregateFunction, SqlType); 6] = [
    ("AVG", AggregateFunction::Average, SqlType::Int),
    ("COUNT", AggregateFunction::Count, SqlType::Int),
    ("COUNT_BIG", AggregateFunction::Count, SqlType::BigInt),
    ("MAX", AggregateFunction::Max, SqlType::Int),
    ("MIN", AggregateFunction::Min, SqlType::Int),
    ("SUM", AggregateFunction::Sum, SqlType::Int),
];

/// Gives another value for every row, so that it is not asked beforehand.
const PER_ROW: [&str; 1] = ["NEWID"];

impl Binder<'_> {
    pub(super) fn function(&mut self, function: &ast::Function) -> Outcome<Node> {
        let ast::Function {
            name,
            uses_odbc_syntax: false,
            parameters: ast::FunctionArguments::None,
            args,
            within_group,
            filter: None,
            null_treatment: None,
            over: None,
        } = function
        else {
            return Err(syntax(function));
        };
        refuse(within_group.first(), "WITHIN")?;
        let parts = name_parts(name)?;
        let upper = parts.join(".").to_uppercase();
        let list = match args {
            ast::FunctionArguments::None => return self.ask(&upper, Vec::new()),
            ast::FunctionArguments::Subquery(query) => return Err(syntax(query)),
            ast::FunctionArguments::List(list) => list,
        };
        let ast::FunctionArgumentList {
            duplicate_treatment,
            args,
            clauses,
        } = list;
        refuse(clauses.first(), &upper)?;
        let known = AGGREGATES.iter().find(|(name, ..)| *name == upper);
        if let Some((_, aggregate, count_type)) = known {
            let distinct = matches!(duplicate_treatment, Some(ast::DuplicateTreatment::Distinct));
            return self.aggregate(*aggregate, *count_type, distinct, &upper, args);
        }
        refuse(duplicate_treatment.as_ref(), "DISTINCT")?;
        let mut exprs = Vec::new();
        for arg in args {
            match arg {
                ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(expr)) => exprs.push(expr),
                other => return Err(syntax(other)),
            }
        }
        self.call(&upper, &exprs)
    }

    /// Calls a function by its name in upper case.
    pub(super) fn call(&mut self, name: &str, exprs: &[&Expr]) -> Outcome<Node> {
        if name == "IIF" {
            let [condition, yes, no] = exprs else {
                return Err(argument_count(name, 3));
            };
            let condition = self.condition(condition)?;
            let results = vec![self.value(yes)?, self.value(no)?];
            return case_of(vec![condition], results);
        }
        let mut nodes = Vec::new();
        for expr in exprs {
            nodes.push(self.value(expr)?);
        }
        match name {
            "COALESCE" => coalesce(nodes),
            "ISNULL" => {
                let [first, second] = pair(name, nodes)?;
                let to = if first.is_null() {
                    second.sql_type
                } else {
                    first.sql_type
                };
                let nodes = vec![first.implicit(to)?, second.implicit(to)?];
                Ok(Node::new(Kind::Coalesce(nodes), to))
            }
            "NULLIF" => {
                let [first, second] = pair(name, nodes)?;
                let to = first.sql_type;
                let (left, right) = comparable(first.clone(), second)?;
                let equal = Condition::Compare(Comparison::Equal, Box::new(left), Box::new(right));
                let null = Node::new(Kind::Value(Datum::Null), to);
                let kind = Kind::Case(vec![(equal, null)], Some(Box::new(first)));
                Ok(Node::new(kind, to))
            }
            _ => match BUILTINS.iter().find(|(known, ..)| *known == name) {
                Some((_, builtin, least, most)) => {
                    if !(*least..=*most).contains(&nodes.len()) {
                        return Err(argument_count(name, *least));
                    }
                    builtin_call(*builtin, nodes)
                }
                None => self.ask(name, nodes),
            },
        }
    }

    /// A function of the catalog; what depends on no row is asked at once.
    pub(super) fn ask(&mut self, name: &str, nodes: Vec<Node>) -> Outcome<Node> {
        let values: Option<Vec<Datum>> = nodes
            .iter()
            .map(|node| match &node.kind {
                Kind::Null => Some(Datum::Null),
                Kind::Value(value) => Some(value.clone()),
                _ => None,
            })
            .collect();
        let fixed = values.is_some() && !PER_ROW.contains(&name);
        // Only the type counts where the arguments are not known yet.
        let values = values.unwrap_or_else(|| vec![Datum::Null; nodes.len()]);
        let answer = self.catalog.function(name, &values);
        let (sql_type, value) = answer.ok_or_else(|| unknown_function(name))??;
        let kind = if fixed {
            Kind::Value(value)
        } else {
            Kind::Ask(name.to_owned(), nodes)
        };
        Ok(Node::new(kind, sql_type))
    }

    fn aggregate(
        &mut self,
        function: AggregateFunction,
        count_type: SqlType,
        distinct: bool,
        name: &str,
        args: &[ast::FunctionArg],
    ) -> Outcome<Node> {
        match self.scope().map(|scope| scope.stage) {
            Some(Stage::Groups) => {}
            Some(Stage::Argument) => return Err(message(130, &[])),
            Some(Stage::Rows) => return Err(message(147, &[])),
            None => return Err(syntax(name)),
        }
        let [ast::FunctionArg::Unnamed(arg)] = args else {
            return Err(argument_count(name, 1));
        };
        let count = function == AggregateFunction::Count;
        let argument = match arg {
            ast::FunctionArgExpr::Wildcard if count && !distinct => None,
            ast::FunctionArgExpr::Expr(expr) => {
                self.stage(Stage::Argument);
                let node = self.value(expr);
                self.stage(Stage::Groups);
                Some(aggregated(node?, name)?)
            }
            other => return Err(syntax(other)),
        };
        let sql_type = match &argument {
            _ if count => count_type,
            Some(node) => aggregate::result_type(function, node.sql_type)
                .ok_or_else(|| message(8117, &[node.sql_type.name(), &name.to_lowercase()]))?,
            None => return Err(syntax("*")),
        };
        let wanted = Aggregate {
            function,
            argument,
            distinct,
            sql_type,
        };
        let Some(scope) = self.scope() else {
            return Err(syntax(name));
        };
        let known = scope.aggregates.iter().position(|other| *other == wanted);
        let number = known.unwrap_or_else(|| {
            scope.aggregates.push(wanted);
            scope.aggregates.len() - 1
        });
        Ok(Node::new(Kind::Aggregate(number), sql_type))
    }
}

/// An argument that the rows of the group give.
fn aggregated(node: Node, name: &str) -> Outcome<Node> {
    let mut subquery = false;
    node.visit(&mut |item| {
        subquery |= matches!(item, Item::Subquery(_));
        true
    });
    if subquery {
        return Err(message(130, &[]));
    }
    // An aggregate over outer columns would belong to the outer query.
    if node.columns().iter().any(|place| place.depth > 0) {
        return Err(syntax(name));
    }
    Ok(node)
}

fn pair(name: &str, nodes: Vec<Node>) -> Outcome<[Node; 2]> {
    <[Node; 2]>::try_from(nodes).map_err(|_| argument_count(name, 2))
}

fn coalesce(nodes: Vec<Node>) -> Outcome<Node> {
    if nodes.len() < 2 {
        return Err(argument_count("COALESCE", 2));
    }
    let to = common_type(&nodes).ok_or_else(|| message(4127, &[]))?;
    let nodes = nodes.into_iter().map(|node| node.implicit(to));
    Ok(Node::new(
        Kind::Coalesce(nodes.collect::<Outcome<_>>()?),
        to,
    ))
}

fn builtin_call(builtin: Builtin, nodes: Vec<Node>) -> Outcome<Node> {
    let is_text = |at: usize| match builtin {
        Builtin::Abs | Builtin::DataLength => false,
        Builtin::CharIndex => at < 2,
        Builtin::Left | Builtin::Right | Builtin::Substring => at == 0,
        _ => true,
    };
    let mut args = Vec::new();
    for (at, node) in nodes.into_iter().enumerate() {
        args.push(match builtin {
            Builtin::Abs | Builtin::DataLength => node,
            _ if is_text(at) => node.into_text()?,
            _ => node.implicit(SqlType::BigInt)?,
        });
    }
    let first = args.first().map_or(SqlType::Int, |node| node.sql_type);
    let sql_type = match builtin {
        Builtin::Abs if types::is_number(first) && first != SqlType::Bit => first,
        Builtin::Abs => return Err(message(8117, &[first.name(), "abs"])),
        Builtin::DataLength if first == SqlType::Variant => return Err(syntax("DATALENGTH")),
        Builtin::CharIndex | Builtin::DataLength | Builtin::Len => match first {
            SqlType::NVarChar(None) | SqlType::VarChar(None) | SqlType::VarBinary(None) => {
                SqlType::BigInt
            }
            _ => SqlType::Int,
        },
        Builtin::QuoteName => SqlType::NVarChar(Some(258)),
        Builtin::Replace => {
            let all = args.iter().map(|node| node.sql_type);
            types::widest(all.reduce(types::common).unwrap_or(first))
        }
        _ => first,
    };
    Ok(Node::new(Kind::Builtin(builtin, args), sql_type))
}

/// Value of a function; NULL as soon as one argument is.
pub(super) fn apply(builtin: Builtin, values: &[Datum], nodes: &[Node]) -> Outcome<Datum> {
    if values.contains(&Datum::Null) {
        return Ok(Datum::Null);
    }
    let count = |number: usize| Datum::Int(i64::try_from(number).unwrap_or(i64::MAX));
    Ok(match (builtin, values) {
        (Builtin::Abs, [value]) => absolute(value, nodes)?,
        (Builtin::DataLength, [value]) => {
            let sql_type = nodes.first().map_or(SqlType::Int, |node| node.sql_type);
            count(data_length(value, sql_type))
        }
        (Builtin::Upper, [Datum::Text(value)]) => Datum::Text(value.to_uppercase()),
        (Builtin::Lower, [Datum::Text(value)]) => Datum::Text(value.to_lowercase()),
        (Builtin::Len, [Datum::Text(value)]) => count(text::units(value.trim_end_matches(' '))),
        (Builtin::LTrim, [Datum::Text(value)]) => {
            Datum::Text(value.trim_start_matches(' ').to_owned())
        }
        (Builtin::RTrim, [Datum::Text(value)]) => {
            Datum::Text(value.trim_end_matches(' ').to_owned())
        }
        (Builtin::Trim, [Datum::Text(value)]) => Datum::Text(value.trim_matches(' ').to_owned()),
        (Builtin::Left, [Datum::Text(value), Datum::Int(length)]) => {
            let length = usize::try_from(*length).map_err(|_| message(536, &["left"]))?;
            Datum::Text(text::slice(value, 0, length))
        }
        (Builtin::Right, [Datum::Text(value), Datum::Int(length)]) => {
            let length = usize::try_from(*length).map_err(|_| message(536, &["right"]))?;
            let start = text::units(value).saturating_sub(length);
            Datum::Text(text::slice(value, start, length))
        }
        (Builtin::Substring, [Datum::Text(value), Datum::Int(start), Datum::Int(length)]) => {
            if *length < 0 {
                return Err(message(537, &[]));
            }
            // What lies before the first character counts, but is not there.
            let end = start.saturating_add(*length).saturating_sub(1).max(0);
            let start = start.saturating_sub(1).max(0);
            let place = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
            let length = place((end - start).max(0));
            Datum::Text(text::slice(value, place(start), length))
        }
        (Builtin::Replace, [Datum::Text(value), Datum::Text(old), Datum::Text(new)]) => {
            Datum::Text(text::replace(value, old, new))
        }
        (Builtin::QuoteName, [Datum::Text(value)]) => quoted(value, "["),
        (Builtin::QuoteName, [Datum::Text(value), Datum::Text(quote)]) => quoted(value, quote),
        (Builtin::CharIndex, [Datum::Text(wanted), Datum::Text(value), rest @ ..]) => {
            let from = match rest {
                [Datum::Int(from)] => usize::try_from(from.saturating_sub(1)).unwrap_or(0),
                _ => 0,
            };
            let value: Vec<char> = value.chars().collect();
            let wanted: Vec<char> = wanted.chars().collect();
            count(text::find(&value, &wanted, from).map_or(0, |at| at + 1))
        }
        _ => return Err(syntax("(")),
    })
}

fn absolute(value: &Datum, nodes: &[Node]) -> Outcome<Datum> {
    let to = nodes.first().map_or(SqlType::Int, |node| node.sql_type);
    match value {
        Datum::Int(number) => super::convert::integer(i128::from(*number).abs(), to),
        Datum::Float(number) => Ok(Datum::Float(number.abs())),
        Datum::Numeric(number) => number
            .checked_abs()
            .map(Datum::Numeric)
            .ok_or_else(|| overflow(to)),
        _ => Err(message(8117, &[to.name(), "abs"])),
    }
}

/// `[x]` with what closes it doubled; NULL beyond 128 characters (`sql-server.md` 10.2).
fn quoted(value: &str, quote: &str) -> Datum {
    if text::units(value) > 128 {
        return Datum::Null;
    }
    let (open, close) = match quote {
        "[" | "]" => ('[', ']'),
        "'" => ('\'', '\''),
        "\"" => ('"', '"'),
        "(" | ")" => ('(', ')'),
        "<" | ">" => ('<', '>'),
        "{" | "}" => ('{', '}'),
        _ => return Datum::Null,
    };
    let doubled = value.replace(close, &format!("{close}{close}"));
    Datum::Text(format!("{open}{doubled}{close}"))
}

/// Bytes that a value takes.
fn data_length(value: &Datum, sql_type: SqlType) -> usize {
    match (value, sql_type) {
        (Datum::Text(value), SqlType::NVarChar(_)) => text::units(value) * 2,
        (Datum::Text(value), _) => value.chars().count(),
        (Datum::Bytes(value), _) => value.len(),
        (_, SqlType::Bit | SqlType::TinyInt) => 1,
        (_, SqlType::SmallInt) => 2,
        (_, SqlType::Int) => 4,
        (_, SqlType::UniqueIdentifier) => 16,
        (_, SqlType::Numeric(1..=9, _)) => 5,
        (_, SqlType::Numeric(10..=19, _)) => 9,
        (_, SqlType::Numeric(20..=28, _)) => 13,
        (_, SqlType::Numeric(..)) => 17,
        _ => 8,
    }
}
