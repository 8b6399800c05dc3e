//! Binding: from the parsed text to a plan, and what each name in it means.

use std::cell::OnceCell;
use std::ops::Range;
use std::rc::Rc;

use sqlparser::ast;

use crate::rehearsal::message::{message, syntax};

use super::error::{Outcome, too_deep};
use super::plan::{Aggregate, Kind, Node, Place, Source, Subquery};
use super::{Catalog, text};

/// How deep expressions and queries may be nested in one another.
const DEPTH: usize = 60;

/// Binds one statement.
pub(super) struct Binder<'c> {
    pub(super) catalog: &'c dyn Catalog,
    /// From the outermost query to the one that is being bound.
    pub(super) scopes: Vec<Scope>,
    depth: usize,
}

/// A column of an outer scope: level, source, column.
pub(super) type Free = (usize, usize, usize);

/// The names of one SELECT.
#[derive(Default)]
pub(super) struct Scope {
    pub(super) sources: Vec<Source>,
    /// Those of `sources` that the clause may name.
    pub(super) visible: Range<usize>,
    pub(super) aggregates: Vec<Aggregate>,
    pub(super) stage: Stage,
    /// Columns of outer scopes that it reads.
    pub(super) free: Vec<Free>,
}

/// What is being bound, which says where an aggregate may stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Stage {
    /// ON, WHERE, GROUP BY
    #[default]
    Rows,
    /// The argument of an aggregate.
    Argument,
    /// The select list, HAVING, ORDER BY.
    Groups,
}

/// Where a query stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is the statement.
    Statement,
    /// In an expression or in FROM.
    Inner,
    /// Behind EXISTS, where the select list means nothing.
    Exists,
}

impl<'c> Binder<'c> {
    pub(super) fn new(catalog: &'c dyn Catalog) -> Self {
        Self {
            catalog,
            scopes: Vec::new(),
            depth: 0,
        }
    }

    /// A binder that sees none of the queries around it.
    pub(super) fn apart(&self) -> Self {
        Self {
            catalog: self.catalog,
            scopes: Vec::new(),
            depth: self.depth,
        }
    }

    /// Runs `bind` one level deeper.
    pub(super) fn deeper<T>(&mut self, bind: impl FnOnce(&mut Self) -> Outcome<T>) -> Outcome<T> {
        if self.depth >= DEPTH {
            return Err(too_deep());
        }
        self.depth += 1;
        let result = bind(self);
        self.depth -= 1;
        result
    }

    /// The innermost scope, if the expression stands in a query.
    pub(super) fn scope(&mut self) -> Option<&mut Scope> {
        self.scopes.last_mut()
    }

    /// Binds a query that an expression holds.
    pub(super) fn subquery(&mut self, query: &ast::Query, role: Role) -> Outcome<Rc<Subquery>> {
        let level = self.scopes.len();
        let (query, free) = self.deeper(|binder| binder.query(query, role))?;
        if role != Role::Exists && query.columns.len() != 1 {
            return Err(message(116, &[]));
        }
        let free = free.iter().map(|(at, source, column)| Place {
            // Level 0 seen from the innermost of `level` scopes is `level - 1` further out.
            depth: level.saturating_sub(at + 1),
            source: *source,
            column: *column,
        });
        Ok(Rc::new(Subquery {
            query,
            free: free.collect(),
            rows: OnceCell::new(),
            members: OnceCell::new(),
        }))
    }

    pub(super) fn stage(&mut self, stage: Stage) {
        if let Some(scope) = self.scope() {
            scope.stage = stage;
        }
    }

    /// Finds a column by its name and what qualifies it, from the innermost query outwards.
    pub(super) fn column(&mut self, parts: &[String]) -> Outcome<Node> {
        let Some((name, qualifier)) = parts.split_last() else {
            return Err(syntax("."));
        };
        let levels = self.scopes.len();
        for level in (0..levels).rev() {
            let scope = &self.scopes[level];
            let mut hits = Vec::new();
            let mut named = false;
            for source in scope.visible.clone() {
                if !qualifier.is_empty() && !is_named(&scope.sources[source], qualifier) {
                    continue;
                }
                named = true;
                let columns = scope.sources[source].columns.iter().enumerate();
                let same = columns.filter(|(_, column)| text::equal(&column.name, name));
                hits.extend(same.map(|(column, definition)| (source, column, definition.sql_type)));
            }
            match hits[..] {
                [] if named && !qualifier.is_empty() => return Err(message(207, &[name])),
                [] => {}
                [(source, column, sql_type)] => {
                    for inner in &mut self.scopes[level + 1..] {
                        inner.free.push((level, source, column));
                    }
                    let place = Place {
                        depth: levels - 1 - level,
                        source,
                        column,
                    };
                    return Ok(Node::new(Kind::Column(place), sql_type));
                }
                _ => return Err(message(209, &[name])),
            }
        }
        if qualifier.is_empty() {
            Err(message(207, &[name]))
        } else {
            Err(message(4104, &[&parts.join(".")]))
        }
    }
}

/// Whether a qualifier names a table: its alias, or the last parts of its name.
pub(super) fn is_named(source: &Source, qualifier: &[String]) -> bool {
    let same = |(a, b): (&String, &String)| text::equal(a, b);
    qualifier.len() <= source.names.len()
        && source
            .names
            .iter()
            .rev()
            .zip(qualifier.iter().rev())
            .all(same)
}

/// Error 102 at a clause that is there and is not evaluated.
pub(super) fn refuse<T>(clause: Option<&T>, near: &str) -> Outcome<()> {
    match clause {
        None => Ok(()),
        Some(_) => Err(syntax(near)),
    }
}
