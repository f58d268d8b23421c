//! JSON schemas of what is one text on the wire and more than a text here.

/// `text_schema!(MacAddr, "what it is", "pattern", "example")`: the schema of a type that reads and writes itself as a text.
macro_rules! text_schema {
    ($type:ident, $description:literal, $pattern:literal, $example:literal) => {
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "description": $description, "type": "string", "pattern": $pattern, "examples": [$example],
                })
            }
        }
    };
}
pub(crate) use text_schema;
