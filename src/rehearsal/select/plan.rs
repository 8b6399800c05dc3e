//! A SELECT with every name resolved and every type known: what is left is to run it.

use std::cell::OnceCell;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use crate::rehearsal::value::{Column, Datum, Relation, SqlType};

use super::function::Builtin;
use super::value::Key;

/// Row number that stands for the NULL row of a LEFT JOIN.
pub(super) const NO_ROW: usize = usize::MAX;

/// A value and its type.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) kind: Kind,
    pub(super) sql_type: SqlType,
}

impl Node {
    pub(super) fn new(kind: Kind, sql_type: SqlType) -> Self {
        Self { kind, sql_type }
    }

    /// Whether it is the constant NULL, which takes any type.
    pub(super) fn is_null(&self) -> bool {
        self.kind == Kind::Null
    }
}

/// A column of a query's FROM: `depth` queries further out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) depth: usize,
    pub(super) source: usize,
    pub(super) column: usize,
}

/// How a value comes about.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    /// The constant NULL before anything gave it a type.
    Null,
    /// Known before the query runs.
    Value(Datum),
    /// A column of the row.
    Column(Place),
    /// An aggregate of the group, by number.
    Aggregate(usize),
    /// Conversion to the node's type.
    Convert {
        operand: Box<Node>,
        style: Option<i64>,
        explicit: bool,
        /// `TRY_CAST`, `TRY_CONVERT`: NULL instead of an error.
        attempt: bool,
    },
    /// Both sides have the types that the operator wants.
    Arithmetic(Operator, Box<Node>, Box<Node>),
    /// Concatenation of texts.
    Concat(Box<Node>, Box<Node>),
    /// The first branch whose condition is true.
    Case(Vec<(Condition, Node)>, Option<Box<Node>>),
    /// The first that is not NULL; all have the node's type.
    Coalesce(Vec<Node>),
    /// A function that needs nothing but its arguments.
    Builtin(Builtin, Vec<Node>),
    /// A function that the catalog answers.
    Ask(String, Vec<Node>),
    /// A scalar subquery.
    Subquery(Rc<Subquery>),
}

/// Operators over numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    And,
    Or,
    Xor,
}

/// Comparison operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// What is true, false or unknown.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    /// Both sides have one type, save numerics, whose scale is equal.
    Compare(Comparison, Box<Node>, Box<Node>),
    Like {
        value: Box<Node>,
        pattern: Box<Node>,
        escape: Option<Box<Node>>,
    },
    IsNull(Box<Node>),
    /// The value has the type to which the subquery's column is converted.
    In(Box<Node>, Rc<Subquery>),
    Exists(Rc<Subquery>),
    And(Vec<Condition>),
    Or(Vec<Condition>),
    Not(Box<Condition>),
}

/// A query inside an expression.
#[derive(Debug)]
pub(super) struct Subquery {
    pub(super) query: Query,
    /// Columns of outer queries that it reads, as seen from the query that holds it.
    pub(super) free: Vec<Place>,
    /// Rows of one that reads no outer column.
    pub(super) rows: OnceCell<Relation>,
    /// The same as a set for IN, and whether a NULL is among them.
    pub(super) members: OnceCell<(HashSet<Key>, bool)>,
}

impl PartialEq for Subquery {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other)
    }
}

/// A whole query: its SELECTs one after the other.
#[derive(Debug)]
pub(super) struct Query {
    pub(super) selects: Vec<Select>,
    /// Equal rows of all the SELECTs are shown once (UNION without ALL).
    pub(super) distinct: bool,
    pub(super) columns: Vec<Column>,
    /// ORDER BY of a UNION; that of a single SELECT stands in it.
    pub(super) order: Vec<(usize, bool)>,
}

/// One SELECT.
#[derive(Debug)]
pub(super) struct Select {
    /// Tables of FROM, in their order; each is joined to those before it.
    pub(super) sources: Vec<Source>,
    /// The rest of WHERE: what needs all tables, or no table.
    pub(super) filter: Vec<Condition>,
    /// `None` where rows are not grouped.
    pub(super) group: Option<Group>,
    pub(super) output: Vec<Node>,
    pub(super) distinct: bool,
    pub(super) top: Option<Node>,
    pub(super) order: Vec<Sort>,
}

/// One key of ORDER BY.
#[derive(Debug)]
pub(super) struct Sort {
    pub(super) key: SortKey,
    pub(super) descending: bool,
}

/// What ORDER BY sorts by.
#[derive(Debug)]
pub(super) enum SortKey {
    /// A column of the result.
    Output(usize),
    /// Anything of the row.
    Node(Node),
}

/// GROUP BY, the aggregates, HAVING.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) keys: Vec<Node>,
    pub(super) aggregates: Vec<Aggregate>,
    pub(super) having: Option<Condition>,
}

/// One aggregate.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Aggregate {
    pub(super) function: AggregateFunction,
    /// `None` = `COUNT(*)`.
    pub(super) argument: Option<Node>,
    pub(super) distinct: bool,
    pub(super) sql_type: SqlType,
}

/// Aggregate functions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AggregateFunction {
    Count,
    Sum,
    Max,
    Min,
    Average,
}

/// One table of FROM, and how it joins those before it.
#[derive(Debug)]
pub(super) struct Source {
    /// Its alias, else the parts of its name.
    pub(super) names: Vec<String>,
    pub(super) columns: Vec<Column>,
    /// A derived table's query; `None` for a table of the catalog.
    pub(super) derived: Option<Query>,
    /// Those of a derived table are there when the query around it runs.
    pub(super) rows: OnceCell<Vec<Vec<Datum>>>,
    /// Rows before it stay without a match.
    pub(super) outer: bool,
    /// Equalities: a value of what stands before it, and one of this table.
    pub(super) keys: Vec<(Node, Node)>,
    /// The rest of ON, and what WHERE asks of an inner join.
    pub(super) on: Vec<Condition>,
    /// What WHERE asks of the rows of a LEFT JOIN.
    pub(super) after: Vec<Condition>,
    /// Rows by the right-hand side of `keys`, made when first needed.
    pub(super) index: OnceCell<HashMap<Vec<Key>, Vec<usize>>>,
}

impl Source {
    /// Its rows, as far as they are read.
    pub(super) fn rows(&self) -> &[Vec<Datum>] {
        self.rows.get().map_or(&[], Vec::as_slice)
    }
}

/// What a visit meets.
pub(super) enum Item<'a> {
    Node(&'a Node),
    Subquery(&'a Subquery),
}

impl Node {
    /// Shows every part of the expression; what is below a node only when `see` says so.
    pub(super) fn visit(&self, see: &mut dyn FnMut(Item<'_>) -> bool) {
        if !see(Item::Node(self)) {
            return;
        }
        match &self.kind {
            Kind::Null | Kind::Value(_) | Kind::Column(_) | Kind::Aggregate(_) => {}
            Kind::Convert { operand, .. } => operand.visit(see),
            Kind::Arithmetic(_, left, right) | Kind::Concat(left, right) => {
                left.visit(see);
                right.visit(see);
            }
            Kind::Case(branches, otherwise) => {
                for (condition, node) in branches {
                    condition.visit(see);
                    node.visit(see);
                }
                if let Some(node) = otherwise {
                    node.visit(see);
                }
            }
            Kind::Coalesce(nodes) | Kind::Builtin(_, nodes) | Kind::Ask(_, nodes) => {
                for node in nodes {
                    node.visit(see);
                }
            }
            Kind::Subquery(subquery) => {
                see(Item::Subquery(subquery));
            }
        }
    }

    /// Every column of any query that it reads.
    pub(super) fn columns(&self) -> Vec<Place> {
        let mut places = Vec::new();
        self.visit(&mut |item| collect(&item, &mut places));
        places
    }
}

impl Condition {
    /// As [`Node::visit`].
    pub(super) fn visit(&self, see: &mut dyn FnMut(Item<'_>) -> bool) {
        match self {
            Self::Compare(_, left, right) => {
                left.visit(see);
                right.visit(see);
            }
            Self::Like {
                value,
                pattern,
                escape,
            } => {
                value.visit(see);
                pattern.visit(see);
                if let Some(node) = escape {
                    node.visit(see);
                }
            }
            Self::IsNull(node) => node.visit(see),
            Self::In(node, subquery) => {
                node.visit(see);
                see(Item::Subquery(subquery));
            }
            Self::Exists(subquery) => {
                see(Item::Subquery(subquery));
            }
            Self::And(parts) | Self::Or(parts) => {
                for part in parts {
                    part.visit(see);
                }
            }
            Self::Not(part) => part.visit(see),
        }
    }

    /// As [`Node::columns`].
    pub(super) fn columns(&self) -> Vec<Place> {
        let mut places = Vec::new();
        self.visit(&mut |item| collect(&item, &mut places));
        places
    }
}

fn collect(item: &Item<'_>, places: &mut Vec<Place>) -> bool {
    match item {
        Item::Node(node) => {
            if let Kind::Column(place) = node.kind {
                places.push(place);
            }
        }
        Item::Subquery(subquery) => places.extend(&subquery.free),
    }
    true
}
