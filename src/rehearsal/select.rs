//! SELECTs over the world's tables, parsed by sqlparser's SQL Server dialect.

use super::value::{Datum, Relation, ServerError, SqlType};

/// What a SELECT can read.
pub trait Catalog {
    /// A table or view by the parts of its name as written (`["sys","databases"]`,
    /// `["msdb","dbo","sysjobs"]`); `None` = error 208.
    fn table(&self, name: &[String]) -> Option<Result<Relation, ServerError>>;

    /// A scalar function that asks the server (SERVERPROPERTY, DB_ID, OBJECT_ID, SUSER_SNAME, …),
    /// name in upper case; `None` = unknown, error 195.
    fn function(
        &self,
        name: &str,
        arguments: &[Datum],
    ) -> Option<Result<(SqlType, Datum), ServerError>>;

    /// `@name` and `@@NAME`, upper case; `None` = error 137.
    fn variable(&self, name: &str) -> Option<(SqlType, Datum)>;
}

/// Evaluates one SELECT.
pub fn select(sql: &str, catalog: &dyn Catalog) -> Result<Relation, ServerError> {
    let _ = (sql, catalog);
    Err(ServerError::new(102, "Incorrect syntax"))
}
