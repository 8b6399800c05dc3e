//! Binding of queries: every clause that is not evaluated is an error here.

use sqlparser::ast;

use crate::rehearsal::message::{message, syntax};
use crate::rehearsal::value::{Column, Datum, SqlType};

use super::bind::{Binder, Free, Role, Scope, Stage, refuse};
use super::error::{Outcome, too_deep};
use super::plan::{Group, Item, Kind, Node, Place, Query, Select, SortKey};
use super::{from, types};

impl Binder<'_> {
    /// Binds a query, and says which columns of the scopes around it it reads.
    pub(super) fn query(&mut self, query: &ast::Query, role: Role) -> Outcome<(Query, Vec<Free>)> {
        let ast::Query {
            with,
            body,
            order_by,
            limit_clause,
            fetch,
            locks,
            for_clause,
            settings,
            format_clause,
            pipe_operators,
        } = query;
        refuse(with.as_ref(), "WITH")?;
        refuse(limit_clause.as_ref(), "LIMIT or OFFSET")?;
        refuse(fetch.as_ref(), "FETCH")?;
        refuse(locks.first(), "FOR")?;
        refuse(for_clause.as_ref(), "FOR")?;
        refuse(settings.as_ref(), "SETTINGS")?;
        refuse(format_clause.as_ref(), "FORMAT")?;
        refuse(pipe_operators.first(), "|>")?;
        let order = match order_by {
            None => &[][..],
            Some(ast::OrderBy {
                kind: ast::OrderByKind::Expressions(keys),
                interpolate: None,
            }) => keys.as_slice(),
            Some(other) => return Err(syntax(other)),
        };
        match body.as_ref() {
            ast::SetExpr::Select(select) => {
                if role != Role::Statement && !order.is_empty() && select.top.is_none() {
                    return Err(message(1033, &[]));
                }
                let (select, columns, free) = self.select(select, order, role)?;
                let query = Query {
                    selects: vec![select],
                    distinct: false,
                    columns,
                    order: Vec::new(),
                };
                Ok((query, free))
            }
            union @ ast::SetExpr::SetOperation { .. } => {
                if role != Role::Statement && !order.is_empty() {
                    return Err(message(1033, &[]));
                }
                self.union(union, order)
            }
            other => Err(syntax(other)),
        }
    }

    /// Binds one SELECT in a scope of its own.
    pub(super) fn select(
        &mut self,
        select: &ast::Select,
        order: &[ast::OrderByExpr],
        role: Role,
    ) -> Outcome<(Select, Vec<Column>, Vec<Free>)> {
        self.scopes.push(Scope::default());
        let bound = self.select_in_scope(select, order, role);
        let scope = self.scopes.pop();
        let (mut select, columns, conjuncts) = bound?;
        let Some(scope) = scope else {
            return Err(too_deep());
        };
        select.sources = scope.sources;
        from::distribute(&mut select, conjuncts, !scope.free.is_empty());
        Ok((select, columns, scope.free))
    }

    fn select_in_scope(
        &mut self,
        select: &ast::Select,
        order: &[ast::OrderByExpr],
        role: Role,
    ) -> Outcome<(Select, Vec<Column>, from::Conjuncts)> {
        let ast::Select {
            select_token: _,
            // A comment: MsSqlDialect reads none.
            optimizer_hints,
            distinct,
            select_modifiers,
            top,
            // Says only in which order the two words came.
            top_before_distinct: _,
            projection,
            exclude,
            into,
            from,
            lateral_views,
            prewhere,
            selection,
            connect_by,
            group_by,
            cluster_by,
            distribute_by,
            sort_by,
            having,
            named_window,
            qualify,
            window_before_qualify: _,
            value_table_mode,
            flavor,
        } = select;
        refuse(optimizer_hints.first(), "/*+")?;
        refuse(select_modifiers.as_ref(), "SELECT")?;
        refuse(exclude.as_ref(), "EXCLUDE")?;
        refuse(into.as_ref(), "INTO")?;
        refuse(lateral_views.first(), "LATERAL")?;
        refuse(prewhere.as_ref(), "PREWHERE")?;
        refuse(connect_by.first(), "CONNECT")?;
        refuse(cluster_by.first(), "CLUSTER")?;
        refuse(distribute_by.first(), "DISTRIBUTE")?;
        refuse(sort_by.first(), "SORT")?;
        refuse(named_window.first(), "WINDOW")?;
        refuse(qualify.as_ref(), "QUALIFY")?;
        refuse(value_table_mode.as_ref(), "AS")?;
        if *flavor != ast::SelectFlavor::Standard {
            return Err(syntax("FROM"));
        }
        let distinct = match distinct {
            None | Some(ast::Distinct::All) => false,
            Some(ast::Distinct::Distinct) => true,
            Some(other @ ast::Distinct::On(_)) => return Err(syntax(other)),
        };
        let top = match top {
            None => None,
            Some(top) => Some(self.top(top)?),
        };
        let mut conjuncts = self.from(from)?;
        if let Some(condition) = selection {
            conjuncts.selection = from::conjuncts(self.condition(condition)?);
        }
        let keys = self.group_keys(group_by)?;
        self.stage(Stage::Groups);
        let (output, columns) = self.projection(projection, role)?;
        let having = match having {
            Some(condition) => Some(self.condition(condition)?),
            None => None,
        };
        let sorts = self.order(order, &output, &columns, distinct)?;
        let aggregates = self.scope().map(|scope| scope.aggregates.clone());
        let aggregates = aggregates.unwrap_or_default();
        let group = if keys.is_empty() && aggregates.is_empty() && having.is_none() {
            None
        } else {
            for node in &output {
                self.check_grouped(&keys, 8120, |see| node.visit(see))?;
            }
            if let Some(condition) = &having {
                self.check_grouped(&keys, 8121, |see| condition.visit(see))?;
            }
            for sort in &sorts {
                if let SortKey::Node(node) = &sort.key {
                    self.check_grouped(&keys, 8127, |see| node.visit(see))?;
                }
            }
            Some(Group {
                keys,
                aggregates,
                having,
            })
        };
        let select = Select {
            sources: Vec::new(),
            filter: Vec::new(),
            group,
            output,
            distinct,
            top,
            order: sorts,
        };
        Ok((select, columns, conjuncts))
    }

    fn top(&mut self, top: &ast::Top) -> Outcome<Node> {
        let ast::Top {
            with_ties: false,
            percent: false,
            quantity: Some(quantity),
        } = top
        else {
            return Err(syntax(top));
        };
        let node = match quantity {
            ast::TopQuantity::Constant(number) => {
                let number = i64::try_from(*number).map_err(|_| syntax(top))?;
                Node::new(Kind::Value(Datum::Int(number)), SqlType::BigInt)
            }
            // The scope has no tables yet: a column here is unknown, as it should be.
            ast::TopQuantity::Expr(expr) => self.value(expr)?,
        };
        if !types::is_integer(node.sql_type) {
            return Err(message(1060, &[]));
        }
        node.implicit(SqlType::BigInt)
    }

    fn group_keys(&mut self, group_by: &ast::GroupByExpr) -> Outcome<Vec<Node>> {
        let ast::GroupByExpr::Expressions(exprs, modifiers) = group_by else {
            return Err(syntax(group_by));
        };
        refuse(modifiers.first(), "WITH")?;
        let mut keys = Vec::new();
        for expr in exprs {
            let node = self.value(expr)?;
            if !node.columns().iter().any(|place| place.depth == 0) {
                return Err(message(164, &[]));
            }
            keys.push(node);
        }
        Ok(keys)
    }

    /// Refuses columns that have no single value in a group, with the error of the clause.
    fn check_grouped(
        &self,
        keys: &[Node],
        number: u32,
        visit: impl FnOnce(&mut dyn FnMut(Item<'_>) -> bool),
    ) -> Outcome<()> {
        let mut wrong: Option<Place> = None;
        let is_key = |kind: &Kind| keys.iter().any(|key| key.kind == *kind);
        visit(&mut |item| match item {
            Item::Node(node) if is_key(&node.kind) => false,
            Item::Node(node) => {
                if let Kind::Column(place @ Place { depth: 0, .. }) = node.kind {
                    wrong = wrong.or(Some(place));
                }
                true
            }
            Item::Subquery(subquery) => {
                let mut loose = subquery.free.iter();
                let loose = loose.find(|place| place.depth == 0 && !is_key(&Kind::Column(**place)));
                wrong = wrong.or(loose.copied());
                true
            }
        });
        let Some(place) = wrong else {
            return Ok(());
        };
        let source = self
            .scopes
            .last()
            .and_then(|scope| scope.sources.get(place.source));
        let name = source.map_or_else(String::new, |source| {
            let column = source.columns.get(place.column);
            let column = column.map_or("", |column| column.name.as_str());
            format!("{}.{column}", source.names.join("."))
        });
        Err(message(number, &[&name]))
    }
}
