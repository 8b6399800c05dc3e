//! Binding of the select list, and of ORDER BY, which may name what stands in it.

use sqlparser::ast;

use crate::rehearsal::message::{message, syntax};
use crate::rehearsal::value::{Column, Datum, SqlType};

use super::bind::{Binder, Role, is_named, refuse};
use super::error::Outcome;
use super::from::name_parts;
use super::plan::{Kind, Node, Place, Sort, SortKey};
use super::text;

impl Binder<'_> {
    pub(super) fn projection(
        &mut self,
        items: &[ast::SelectItem],
        role: Role,
    ) -> Outcome<(Vec<Node>, Vec<Column>)> {
        let mut nodes = Vec::new();
        let mut columns = Vec::new();
        for item in items {
            match item {
                ast::SelectItem::UnnamedExpr(expr) => {
                    let node = self.value(expr)?;
                    columns.push(Column::new(&own_name(expr), node.sql_type));
                    nodes.push(node);
                }
                ast::SelectItem::ExprWithAlias { expr, alias } => {
                    // `SELECT @x = …` assigns; that is no query.
                    if alias.quote_style.is_none() && alias.value.starts_with('@') {
                        return Err(syntax("="));
                    }
                    let node = self.value(expr)?;
                    columns.push(Column::new(&alias.value, node.sql_type));
                    nodes.push(node);
                }
                ast::SelectItem::Wildcard(options) => {
                    plain_wildcard(options)?;
                    self.wildcard(None, role, &mut nodes, &mut columns)?;
                }
                ast::SelectItem::QualifiedWildcard(
                    ast::SelectItemQualifiedWildcardKind::ObjectName(name),
                    options,
                ) => {
                    plain_wildcard(options)?;
                    let parts = name_parts(name)?;
                    self.wildcard(Some(&parts), role, &mut nodes, &mut columns)?;
                }
                other => return Err(syntax(other)),
            }
        }
        if nodes.is_empty() {
            return Err(syntax("SELECT"));
        }
        Ok((nodes, columns))
    }

    fn wildcard(
        &mut self,
        qualifier: Option<&[String]>,
        role: Role,
        nodes: &mut Vec<Node>,
        columns: &mut Vec<Column>,
    ) -> Outcome<()> {
        let sources = self.scopes.last().map_or(&[][..], |scope| &scope.sources);
        let mut found = false;
        for (at, source) in sources.iter().enumerate() {
            if qualifier.is_some_and(|parts| !is_named(source, parts)) {
                continue;
            }
            found = true;
            if role == Role::Exists {
                // Its columns are never looked at, and need not be grouped.
                continue;
            }
            for (column, definition) in source.columns.iter().enumerate() {
                let place = Place {
                    depth: 0,
                    source: at,
                    column,
                };
                nodes.push(Node::new(Kind::Column(place), definition.sql_type));
                columns.push(definition.clone());
            }
        }
        match qualifier {
            _ if found && role == Role::Exists => {
                nodes.push(Node::new(Kind::Value(Datum::Int(1)), SqlType::Int));
                columns.push(Column::new("", SqlType::Int));
                Ok(())
            }
            _ if found => Ok(()),
            Some(parts) => Err(message(107, &[&parts.join(".")])),
            None => Err(message(263, &[])),
        }
    }

    pub(super) fn order(
        &mut self,
        order: &[ast::OrderByExpr],
        output: &[Node],
        columns: &[Column],
        distinct: bool,
    ) -> Outcome<Vec<Sort>> {
        let mut sorts = Vec::new();
        for key in order {
            let (expr, descending) = sort_direction(key)?;
            let key = if let Some(at) = output_column(expr, columns)? {
                SortKey::Output(at)
            } else {
                let node = self.value(expr)?;
                if matches!(node.kind, Kind::Null | Kind::Value(_)) {
                    return Err(message(408, &[]));
                }
                match output.iter().position(|other| *other == node) {
                    Some(at) => SortKey::Output(at),
                    None if distinct => return Err(message(145, &[])),
                    None => SortKey::Node(node),
                }
            };
            sorts.push(Sort { key, descending });
        }
        Ok(sorts)
    }
}

/// Name that a column of the result takes from its expression.
fn own_name(expr: &ast::Expr) -> String {
    match expr {
        ast::Expr::Identifier(name)
            if name.quote_style.is_some() || !name.value.starts_with('@') =>
        {
            name.value.clone()
        }
        ast::Expr::CompoundIdentifier(parts) => parts
            .last()
            .map(|name| name.value.clone())
            .unwrap_or_default(),
        ast::Expr::Nested(inner) => own_name(inner),
        _ => String::new(),
    }
}

/// The expression of a key of ORDER BY, and whether it descends.
pub(super) fn sort_direction(key: &ast::OrderByExpr) -> Outcome<(&ast::Expr, bool)> {
    let ast::OrderByExpr {
        expr,
        options: ast::OrderByOptions {
            sort,
            nulls_first: None,
        },
        with_fill: None,
    } = key
    else {
        return Err(syntax(key));
    };
    match sort {
        None | Some(ast::OrderBySort::Asc) => Ok((expr, false)),
        Some(ast::OrderBySort::Desc) => Ok((expr, true)),
        Some(_) => Err(syntax(key)),
    }
}

/// The column of the result that a key of ORDER BY names, by name or by position.
pub(super) fn output_column(expr: &ast::Expr, columns: &[Column]) -> Outcome<Option<usize>> {
    match expr {
        ast::Expr::Value(ast::ValueWithSpan {
            value: ast::Value::Number(digits, _),
            ..
        }) => match digits.parse::<usize>() {
            Ok(position) if (1..=columns.len()).contains(&position) => Ok(Some(position - 1)),
            _ => Err(message(108, &[digits])),
        },
        ast::Expr::Identifier(name) => {
            let mut same =
                (0..columns.len()).filter(|at| text::equal(&columns[*at].name, &name.value));
            match (same.next(), same.next()) {
                (first, None) => Ok(first),
                _ => Err(message(209, &[&name.value])),
            }
        }
        _ => Ok(None),
    }
}

/// Refuses what other dialects put behind a `*`.
fn plain_wildcard(options: &ast::WildcardAdditionalOptions) -> Outcome<()> {
    let ast::WildcardAdditionalOptions {
        wildcard_token: _,
        opt_ilike,
        opt_exclude,
        opt_except,
        opt_replace,
        opt_rename,
        opt_alias,
    } = options;
    refuse(opt_ilike.as_ref(), "ILIKE")?;
    refuse(opt_exclude.as_ref(), "EXCLUDE")?;
    refuse(opt_except.as_ref(), "EXCEPT")?;
    refuse(opt_replace.as_ref(), "REPLACE")?;
    refuse(opt_rename.as_ref(), "RENAME")?;
    refuse(opt_alias.as_ref(), "AS")
}
