//! FROM: tables and joins, and which condition is asked at which of them.

use std::cell::OnceCell;

use sqlparser::ast;

use crate::rehearsal::message::{message, syntax};
use crate::rehearsal::value::SqlType;

use super::bind::{Binder, Role, refuse};
use super::error::Outcome;
use super::plan::{Comparison, Condition, Kind, Node, Query, Select, Source};
use super::text;

/// Functions in FROM, with the columns that their arguments choose by: a call finds the rows of the
/// whole table that equal them.
const TABLE_FUNCTIONS: [(&str, &[&str]); 1] = [("dm_os_volume_stats", &["database_id", "file_id"])];
/// Hints that do not change what a query finds.
const HINTS: [&str; 2] = ["NOLOCK", "READUNCOMMITTED"];

/// Conditions that hold together, by where they were written.
#[derive(Default)]
pub(super) struct Conjuncts {
    /// ON of each source.
    pub(super) on: Vec<Vec<Condition>>,
    /// WHERE
    pub(super) selection: Vec<Condition>,
}

/// The parts of a condition that must all hold.
pub(super) fn conjuncts(condition: Condition) -> Vec<Condition> {
    match condition {
        Condition::And(parts) => parts.into_iter().flat_map(conjuncts).collect(),
        other => vec![other],
    }
}

/// The parts of a name as written, without brackets; empty where two dots follow each other.
pub(super) fn name_parts(name: &ast::ObjectName) -> Outcome<Vec<String>> {
    let parts = name.0.iter().map(|part| match part {
        ast::ObjectNamePart::Identifier(name) => Ok(name.value.clone()),
        ast::ObjectNamePart::Function(_) => Err(syntax(name)),
    });
    parts.collect()
}

impl Binder<'_> {
    /// Reads every table of FROM into the scope.
    pub(super) fn from(&mut self, from: &[ast::TableWithJoins]) -> Outcome<Conjuncts> {
        use ast::JoinConstraint::{None as Nothing, On};
        use ast::JoinOperator::{CrossApply, CrossJoin, Inner, Join, Left, LeftOuter};

        let mut on = Vec::new();
        for ast::TableWithJoins { relation, joins } in from {
            let first = on.len();
            self.source(relation, false, false)?;
            on.push(Vec::new());
            for join in joins {
                let ast::Join {
                    relation,
                    global: false,
                    join_operator,
                } = join
                else {
                    return Err(syntax(join));
                };
                let applied;
                let (relation, outer, condition) = match join_operator {
                    CrossApply => {
                        applied = called(relation)?;
                        (&applied.0, false, Some(&applied.1))
                    }
                    Join(On(condition)) | Inner(On(condition)) => {
                        (relation, false, Some(condition))
                    }
                    Left(On(condition)) | LeftOuter(On(condition)) => {
                        (relation, true, Some(condition))
                    }
                    CrossJoin(Nothing) => (relation, false, None),
                    _ => return Err(syntax(join)),
                };
                self.source(relation, outer, matches!(join_operator, CrossApply))?;
                // ON sees the tables that were joined so far, not those behind a comma.
                let end = on.len() + 1;
                if let Some(scope) = self.scope() {
                    scope.visible = first..end;
                }
                on.push(match condition {
                    Some(condition) => conjuncts(self.condition(condition)?),
                    None => Vec::new(),
                });
            }
        }
        if let Some(scope) = self.scope() {
            scope.visible = 0..scope.sources.len();
        }
        Ok(Conjuncts {
            on,
            selection: Vec::new(),
        })
    }

    fn source(&mut self, factor: &ast::TableFactor, outer: bool, applied: bool) -> Outcome<()> {
        let (names, columns, derived, rows) = match factor {
            ast::TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality: false,
                partitions,
                json_path,
                sample,
                index_directives,
                inheritance,
            } => {
                refuse(version.as_ref(), "FOR")?;
                refuse(partitions.first(), "PARTITION")?;
                refuse(json_path.as_ref(), ":")?;
                refuse(sample.as_ref(), "TABLESAMPLE")?;
                refuse(index_directives.first(), "INDEX")?;
                refuse(inheritance.as_ref(), "ONLY")?;
                if let Some(args) = args {
                    old_hints(name, args)?;
                }
                for hint in with_hints {
                    check_hint(hint)?;
                }
                let parts = name_parts(name)?;
                if !applied && parameters(&parts).is_some() {
                    return Err(syntax(name));
                }
                let table = self
                    .catalog
                    .table(&parts)
                    .ok_or_else(|| message(208, &[&parts.join(".")]))??;
                let names = match alias {
                    Some(alias) => vec![plain_alias(alias)?],
                    None => parts,
                };
                (names, table.columns, None, OnceCell::from(table.rows))
            }
            ast::TableFactor::Derived {
                lateral: false,
                subquery,
                alias: Some(alias),
                sample: None,
            } => {
                let name = plain_alias(alias)?;
                let derived = self.derived(subquery)?;
                let columns = derived.columns.clone();
                (vec![name], columns, Some(derived), OnceCell::new())
            }
            other => return Err(syntax(other)),
        };
        let Some(scope) = self.scope() else {
            return Err(syntax("FROM"));
        };
        // Tables of one name may stand side by side when their whole names differ.
        let same = |other: &Source| {
            other.names.len() == names.len()
                && other
                    .names
                    .iter()
                    .zip(&names)
                    .all(|(a, b)| text::equal(a, b))
        };
        if scope.sources.iter().any(same) {
            let name = names.join(".");
            return Err(message(1013, &[&name, &name]));
        }
        scope.sources.push(Source {
            names,
            columns,
            derived,
            rows,
            outer,
            keys: Vec::new(),
            on: Vec::new(),
            after: Vec::new(),
            index: OnceCell::new(),
        });
        Ok(())
    }

    /// A query in FROM sees nothing of the query around it.
    fn derived(&mut self, query: &ast::Query) -> Outcome<Query> {
        self.deeper(|binder| Ok(binder.apart().query(query, Role::Inner)?.0))
    }
}

/// Columns by which the arguments of a function in FROM choose; `None` for any other name.
fn parameters(parts: &[String]) -> Option<&'static [&'static str]> {
    let name = parts.last()?;
    let known = TABLE_FUNCTIONS.iter().find(|(it, _)| text::equal(it, name));
    known.map(|(_, columns)| *columns)
}

/// A function that is applied: its table, and the condition that its arguments make.
fn called(factor: &ast::TableFactor) -> Outcome<(ast::TableFactor, ast::Expr)> {
    let mut table = factor.clone();
    let ast::TableFactor::Table {
        name,
        alias: Some(alias),
        args,
        ..
    } = &mut table
    else {
        return Err(syntax(factor));
    };
    let (Some(given), Some(columns)) = (args.take(), parameters(&name_parts(name)?)) else {
        return Err(syntax(factor));
    };
    if given.args.len() != columns.len() || given.settings.is_some() {
        return Err(syntax(factor));
    }
    let mut condition = None;
    for (argument, column) in given.args.iter().zip(columns) {
        let ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(value)) = argument else {
            return Err(syntax(argument));
        };
        let own = vec![alias.name.clone(), ast::Ident::new(*column)];
        let equal = binary(
            value.clone(),
            ast::BinaryOperator::Eq,
            ast::Expr::CompoundIdentifier(own),
        );
        condition = Some(match condition {
            None => equal,
            Some(others) => binary(others, ast::BinaryOperator::And, equal),
        });
    }
    let condition = condition.ok_or_else(|| syntax(factor))?;
    Ok((table, condition))
}

fn binary(left: ast::Expr, op: ast::BinaryOperator, right: ast::Expr) -> ast::Expr {
    ast::Expr::BinaryOp {
        left: Box::new(left),
        op,
        right: Box::new(right),
    }
}

/// The name of an alias that does not rename columns.
fn plain_alias(alias: &ast::TableAlias) -> Outcome<String> {
    match alias {
        ast::TableAlias {
            explicit: _,
            name,
            columns,
            at: None,
        } if columns.is_empty() => Ok(name.value.clone()),
        other => Err(syntax(other)),
    }
}

/// `FROM t (NOLOCK)`: an old form that looks like a function.
fn old_hints(name: &ast::ObjectName, args: &ast::TableFunctionArgs) -> Outcome<()> {
    let ast::TableFunctionArgs {
        args,
        settings: None,
    } = args
    else {
        return Err(syntax(name));
    };
    if args.is_empty() {
        return Err(syntax(name));
    }
    for arg in args {
        match arg {
            ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(hint)) => check_hint(hint)?,
            other => return Err(syntax(other)),
        }
    }
    Ok(())
}

fn check_hint(hint: &ast::Expr) -> Outcome<()> {
    match hint {
        ast::Expr::Identifier(name)
            if HINTS
                .iter()
                .any(|known| known.eq_ignore_ascii_case(&name.value)) =>
        {
            Ok(())
        }
        other => Err(syntax(other)),
    }
}

/// Gives each condition to the first source at which all that it reads is there.
///
/// Only LEFT and inner joins come after it, so that asking early finds the same rows as asking last.
/// Equalities between a source and what stands before it become its keys. `correlated` says that the
/// query runs once a row of another, where a key pays even for the first source.
pub(super) fn distribute(select: &mut Select, conjuncts: Conjuncts, correlated: bool) {
    let own = |places: Vec<super::plan::Place>| {
        places
            .into_iter()
            .filter(|place| place.depth == 0)
            .map(|place| place.source)
            .max()
    };
    for (source, on) in select.sources.iter_mut().zip(conjuncts.on) {
        source.on = on;
    }
    for condition in conjuncts.selection {
        match own(condition.columns()).and_then(|last| select.sources.get_mut(last)) {
            Some(source) if source.outer => source.after.push(condition),
            Some(source) => source.on.push(condition),
            None => select.filter.push(condition),
        }
    }
    for (at, source) in select.sources.iter_mut().enumerate() {
        if at == 0 && !correlated {
            continue;
        }
        let mut rest = Vec::new();
        for condition in std::mem::take(&mut source.on) {
            match key(condition, at) {
                Ok(pair) => source.keys.push(pair),
                Err(condition) => rest.push(condition),
            }
        }
        source.on = rest;
    }
}

/// `earlier = own` of a condition over source `at`, in this order; else the condition back.
fn key(condition: Condition, at: usize) -> Result<(Node, Node), Condition> {
    let Condition::Compare(Comparison::Equal, left, right) = condition else {
        return Err(condition);
    };
    let own = |node: &Node| {
        let places = node.columns();
        !places.is_empty()
            && places
                .iter()
                .all(|place| place.depth == 0 && place.source == at)
    };
    let earlier = |node: &Node| {
        let places = node.columns();
        places
            .iter()
            .all(|place| place.depth > 0 || place.source < at)
    };
    // Values of different types may be equal inside a sql_variant.
    let hashable = left.sql_type != SqlType::Variant && !asks(&left) && !asks(&right);
    if hashable && earlier(&left) && own(&right) {
        Ok((*left, *right))
    } else if hashable && earlier(&right) && own(&left) {
        Ok((*right, *left))
    } else {
        Err(Condition::Compare(Comparison::Equal, left, right))
    }
}

/// Whether the catalog or a subquery is asked for the value: then it is asked row by row.
fn asks(node: &Node) -> bool {
    let mut found = false;
    node.visit(&mut |item| {
        found |= match item {
            super::plan::Item::Node(node) => matches!(node.kind, Kind::Ask(..)),
            super::plan::Item::Subquery(_) => true,
        };
        !found
    });
    found
}
