//! Tables of plain text, for people.

use comfy_table::{ColumnConstraint, ContentArrangement, Table, Width, presets};

/// Characters that a folded column keeps at least.
const NARROWEST: u16 = 7;
/// Titles of columns that are for copying: never folded.
const WHOLE: [&str; 6] = ["ID", "PORT", "SUBNETS", "GATEWAY", "ADDRESSES", "MAC"];

/// The terminal's width in characters; none where the text goes elsewhere.
pub fn terminal_width() -> Option<u16> {
    Table::new().width()
}

/// Whether no line of a text is longer than this.
pub fn fits(text: &str, width: u16) -> bool {
    text.lines().all(|line| line.chars().count() <= usize::from(width))
}

/// A table under a title with the number of its rows, in this many columns if that can be.
pub fn section(text: &mut String, title: &str, titles: &[&str], rows: Vec<Vec<String>>, width: Option<u16>) {
    text.push_str(&format!("\n{title} ({})\n", rows.len()));
    if rows.is_empty() {
        return;
    }
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(titles.to_vec());
    table.add_rows(rows);
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    for (index, (title, natural)) in titles.iter().zip(table.column_max_content_widths()).enumerate() {
        let Some(column) = table.column_mut(index) else { continue };
        column.set_padding((0, if index + 1 == titles.len() { 0 } else { 2 }));
        column.set_constraint(if WHOLE.contains(title) || natural <= NARROWEST {
            ColumnConstraint::ContentWidth
        } else {
            ColumnConstraint::LowerBoundary(Width::Fixed(NARROWEST))
        });
    }
    for line in table.lines() {
        text.push_str(line.trim_end());
        text.push('\n');
    }
}

/// A name, or a dash for none.
pub fn or_dash(text: &str) -> String {
    if text.is_empty() { "-".to_owned() } else { clean(text) }
}

/// Names come from whoever may write to the cloud: nothing in them reaches the terminal's controls.
pub fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
