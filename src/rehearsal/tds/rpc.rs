//! Requests: a batch's text, a call's procedure and parameters.

use super::parameter::typed_value;
use super::reader::{Malformed, Reader, utf16};
use super::{Parameter, Request};
use crate::rehearsal::message::message;
use crate::rehearsal::type_name::declared_type;
use crate::rehearsal::value::{Datum, ServerError, SqlType};

/// Most parameters of a call.
const MOST_PARAMETERS: usize = 2100;

/// Procedures that a call can name by a number, from 1.
const BY_NUMBER: [&str; 15] = [
    "sp_cursor",
    "sp_cursoropen",
    "sp_cursorprepare",
    "sp_cursorexecute",
    "sp_cursorprepexec",
    "sp_cursorunprepare",
    "sp_cursorfetch",
    "sp_cursoroption",
    "sp_cursorclose",
    "sp_executesql",
    "sp_prepare",
    "sp_execute",
    "sp_prepexec",
    "sp_prepexecrpc",
    "sp_unprepare",
];

/// Decodes a batch.
pub(super) fn batch(body: &[u8]) -> Result<Request, ServerError> {
    let mut reader = Reader::new(body);
    reader.skip_headers()?;
    Ok(Request::Batch {
        sql: utf16(reader.rest())?,
        parameters: Vec::new(),
    })
}

/// A procedure and its arguments, as they came.
#[derive(Debug, PartialEq)]
pub(super) struct Call {
    /// As written, or what the number stands for.
    pub(super) name: String,
    pub(super) arguments: Vec<Argument>,
}

/// Decodes a call.
///
/// # Errors
/// 4002 for bytes that break the protocol, 8003, 8004 and 8009 as SQL Server has them.
pub(super) fn call(body: &[u8]) -> Result<Call, ServerError> {
    let mut reader = Reader::new(body);
    reader.skip_headers()?;
    let name = match reader.u16()? {
        0xFFFF => {
            let number = usize::from(reader.u16()?);
            let name = number.checked_sub(1).and_then(|at| BY_NUMBER.get(at));
            (*name.ok_or_else(|| message(8004, &[]))?).to_owned()
        }
        units => reader.text(units.into())?,
    };
    reader.u16()?; // options

    let mut arguments = Vec::new();
    while let Some(next) = reader.peek() {
        // Lengths that no name has: another call begins in the same message.
        if next >= 0xFE {
            return Err(Malformed("several calls in one message are not simulated").into());
        }
        if arguments.len() == MOST_PARAMETERS {
            return Err(message(8003, &[]));
        }
        let name = reader.b_varchar()?;
        reader.u8()?; // by reference, or default
        let (sql_type, value) = typed_value(&mut reader, arguments.len() + 1)?;
        arguments.push(Argument {
            name,
            sql_type,
            value,
        });
    }
    Ok(Call { name, arguments })
}

/// A parameter as it came.
#[derive(Debug, PartialEq)]
pub(super) struct Argument {
    pub(super) name: String,
    /// `None` for a NULL without a type.
    pub(super) sql_type: Option<SqlType>,
    pub(super) value: Datum,
}

impl Argument {
    /// Fills what did not come with the value from the declaration that fits.
    pub(super) fn declared(self, declarations: &[Declaration<'_>]) -> Parameter {
        let declaration = declarations
            .iter()
            .find(|declaration| declaration.name.eq_ignore_ascii_case(&self.name));
        Parameter {
            sql_type: self
                .sql_type
                .or_else(|| declaration?.sql_type)
                .unwrap_or(SqlType::Int), // what an untyped NULL is
            name: self.name,
            value: self.value,
        }
    }
}

/// The batch that a statement comes to with its declarations and values.
pub(super) fn bind(sql: String, declared: &str, values: impl Iterator<Item = Argument>) -> Request {
    let declarations = declarations(declared);
    let parameters = values
        .enumerate()
        .map(|(at, mut argument)| {
            if let (true, Some(declaration)) = (argument.name.is_empty(), declarations.get(at)) {
                declaration.name.clone_into(&mut argument.name);
            }
            argument.declared(&declarations)
        })
        .collect();
    Request::Batch { sql, parameters }
}

/// `@name type`
pub(super) struct Declaration<'a> {
    name: &'a str,
    /// `None` for a type that is not simulated.
    sql_type: Option<SqlType>,
}

/// Reads `@P1 int,@P2 numeric(25,0) OUTPUT`.
fn declarations(text: &str) -> Vec<Declaration<'_>> {
    let mut depth = 0_u32;
    text.split(|character| {
        match character {
            '(' => depth = depth.saturating_add(1),
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        character == ',' && depth == 0
    })
    .filter_map(|declaration| {
        let (name, sql_type) = declaration.trim().split_once(char::is_whitespace)?;
        Some(Declaration {
            name,
            sql_type: declared_type(match sql_type.find(')') {
                Some(end) => &sql_type[..=end],
                None => sql_type.split_whitespace().next()?,
            }),
        })
    })
    .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NO_HEADERS: [u8; 4] = [4, 0, 0, 0];

    fn utf16le(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    fn named(name: &str, arguments: &[u8]) -> Vec<u8> {
        let length = u16::try_from(name.len()).unwrap().to_le_bytes();
        [&NO_HEADERS[..], &length, &utf16le(name), &[0, 0], arguments].concat()
    }

    fn nvarchar(name: &str, text: &str) -> Vec<u8> {
        let text = utf16le(text);
        let length = u16::try_from(text.len()).unwrap().to_le_bytes();
        let head = [0, 0xE7, 0x40, 0x1F, 0, 0, 0, 0, 0];
        let units = u8::try_from(name.len()).unwrap();
        [&[units][..], &utf16le(name), &head, &length, &text].concat()
    }

    #[test]
    fn a_call_is_read_by_name_and_by_number() {
        let body = named("msdb.dbo.sp_help_job", &nvarchar("@job_name", "copy"));
        assert_eq!(
            call(&body).unwrap(),
            Call {
                name: "msdb.dbo.sp_help_job".to_owned(),
                arguments: vec![Argument {
                    name: "@job_name".to_owned(),
                    sql_type: Some(SqlType::NVarChar(Some(4000))),
                    value: Datum::Text("copy".to_owned()),
                }],
            }
        );
        let prepare = [&NO_HEADERS[..], &[0xFF, 0xFF, 11, 0, 0, 0]].concat();
        assert_eq!(call(&prepare).unwrap().name, "sp_prepare");
    }

    #[test]
    fn a_statement_takes_missing_names_and_types_from_the_declaration() {
        let argument = |name: &str, sql_type, value| Argument {
            name: name.to_owned(),
            sql_type,
            value,
        };
        let parameter = |name: &str, sql_type, value| Parameter {
            name: name.to_owned(),
            sql_type,
            value,
        };
        let values = [
            argument("", Some(SqlType::Int), Datum::Int(5)),
            argument("", None, Datum::Null),
            argument("@C", None, Datum::Null),
        ];
        let declared = "@a int, @b numeric(25, 3),@c nvarchar(max) OUTPUT";
        assert_eq!(
            bind("SELECT @a".to_owned(), declared, values.into_iter()),
            Request::Batch {
                sql: "SELECT @a".to_owned(),
                parameters: vec![
                    parameter("@a", SqlType::Int, Datum::Int(5)),
                    parameter("@b", SqlType::Numeric(25, 3), Datum::Null),
                    parameter("@C", SqlType::NVarChar(None), Datum::Null),
                ],
            }
        );
    }

    #[test]
    fn calls_that_break_the_protocol_are_refused_by_number() {
        let by_number = |number: u8| [&NO_HEADERS[..], &[0xFF, 0xFF, number, 0, 0, 0]].concat();
        for (body, number) in [
            (vec![], 4002),
            (vec![3, 0, 0, 0], 4002),
            (vec![0xFF; 40], 4002),
            (by_number(0), 8004),
            (by_number(16), 8004),
            (named("x", &[0xFF]), 4002),
            (named("x", &[0, 0, 0x1F].repeat(2101)), 8003),
        ] {
            assert_eq!(call(&body).unwrap_err().number, number, "{body:?}");
        }
    }

    proptest! {
        #[test]
        fn no_call_panics(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = call(&[&NO_HEADERS[..], &bytes].concat());
            let _ = call(&[&NO_HEADERS[..], &[0xFF, 0xFF, 10, 0, 0, 0], &bytes].concat());
            let _ = batch(&bytes);
        }

        #[test]
        fn no_declaration_panics(text in "[@a-z0-9(), ]{0,40}|\\PC{0,20}") {
            let _ = declarations(&text);
        }
    }
}
