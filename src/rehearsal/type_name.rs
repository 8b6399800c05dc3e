//! The names of types, read.

use super::value::SqlType;

/// Most digits of a numeric.
pub const MAX_PRECISION: u8 = 38;
/// Longest nvarchar(n), in characters.
pub const MAX_NVARCHAR: u16 = 4000;
/// Longest varchar(n) and varbinary(n).
pub const MAX_VARCHAR: u16 = 8000;

/// Reads a type as CAST names it, in any case: `nvarchar(max)`, `numeric(25, 0)`. `unsized_length` is
/// that of a text or of bytes without one. `None` for a type that is not simulated.
pub fn read_type(text: &str, unsized_length: u16) -> Option<SqlType> {
    let text = text.trim().to_lowercase();
    let (name, arguments) = match text.strip_suffix(')') {
        Some(text) => text.split_once('(')?,
        None => (text.as_str(), ""),
    };
    let arguments: Vec<&str> = match arguments {
        "" => Vec::new(),
        some => some.split(',').map(str::trim).collect(),
    };
    let length = |most: u16| match arguments.as_slice() {
        [] => Some(Some(unsized_length)),
        ["max"] => Some(None),
        [length] => {
            let length = length.parse().ok();
            length.filter(|n| (1..=most).contains(n)).map(Some)
        }
        _ => None,
    };
    Some(match (name.trim(), arguments.as_slice()) {
        ("bit", []) => SqlType::Bit,
        ("tinyint", []) => SqlType::TinyInt,
        ("smallint", []) => SqlType::SmallInt,
        ("int" | "integer", []) => SqlType::Int,
        ("bigint", []) => SqlType::BigInt,
        ("float", []) => SqlType::Float,
        // float(1) to float(24) is a real, which is no type of the world.
        ("float", [bits]) if (25..=53).contains(&bits.parse().unwrap_or(0)) => SqlType::Float,
        ("numeric" | "decimal" | "dec", sizes) => {
            let (digits, scale) = match sizes {
                [] => (18, 0),
                [digits] => (digits.parse().ok()?, 0),
                [digits, scale] => (digits.parse().ok()?, scale.parse().ok()?),
                _ => return None,
            };
            let fits = (1..=MAX_PRECISION).contains(&digits) && scale <= digits;
            fits.then_some(SqlType::Numeric(digits, scale))?
        }
        ("nvarchar", _) => SqlType::NVarChar(length(MAX_NVARCHAR)?),
        ("sysname", []) => SqlType::NVarChar(Some(128)),
        ("varchar", _) => SqlType::VarChar(length(MAX_VARCHAR)?),
        ("varbinary", _) => SqlType::VarBinary(length(MAX_VARCHAR)?),
        ("datetime", []) => SqlType::DateTime,
        ("datetime2", [] | ["7"]) => SqlType::DateTime2,
        ("uniqueidentifier", []) => SqlType::UniqueIdentifier,
        ("sql_variant", []) => SqlType::Variant,
        _ => return None,
    })
}

/// Reads the type of a variable or a parameter. A type that pads or rounds is taken for the one like
/// it that does not.
pub fn declared_type(text: &str) -> Option<SqlType> {
    const UNSIZED: u16 = 1;
    let text = text.trim().to_lowercase();
    let (name, size) = text.split_at(text.find('(').unwrap_or(text.len()));
    match name.trim() {
        "nchar" => read_type(&format!("nvarchar{size}"), UNSIZED),
        "char" => read_type(&format!("varchar{size}"), UNSIZED),
        "binary" => read_type(&format!("varbinary{size}"), UNSIZED),
        "real" | "float" => Some(SqlType::Float),
        "smalldatetime" => Some(SqlType::DateTime),
        "datetime2" => Some(SqlType::DateTime2),
        _ => read_type(&text, UNSIZED),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_that_is_left_out_depends_on_the_place() {
        for (text, sql_type) in [
            ("NVARCHAR", SqlType::NVarChar(Some(30))),
            ("nvarchar ( max )", SqlType::NVarChar(None)),
            ("varbinary(8000)", SqlType::VarBinary(Some(8000))),
            ("numeric(25, 3)", SqlType::Numeric(25, 3)),
            ("Decimal", SqlType::Numeric(18, 0)),
        ] {
            assert_eq!(read_type(text, 30), Some(sql_type), "{text}");
        }
        assert_eq!(declared_type("char"), Some(SqlType::VarChar(Some(1))));
        assert_eq!(declared_type("datetime2(3)"), Some(SqlType::DateTime2));
    }

    #[test]
    fn what_is_no_type_of_the_world_is_refused() {
        for text in [
            "",
            "int(4)",
            "nvarchar(4001)",
            "nvarchar(0)",
            "numeric(39)",
            "numeric(5,6)",
            "float(24)",
            "char(3)",
            "datetime2(3)",
            "nosuch",
            "int)",
        ] {
            assert_eq!(read_type(text, 30), None, "{text}");
        }
    }
}
