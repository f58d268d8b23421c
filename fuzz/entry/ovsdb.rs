//! What an OVSDB server sends.

use kuryr_ovsdb::{Datum, Frames};
use serde_json::Value;

/// Cut anywhere, the same messages come out; of what is no message nothing is taken for one.
pub fn ovsdb_frames(data: &[u8]) {
    let read = |parts: &mut dyn Iterator<Item = &[u8]>| {
        let (mut frames, mut messages) = (Frames::default(), Vec::new());
        for part in parts {
            frames.push(part);
            loop {
                match frames.next() {
                    Ok(Some(message)) => messages.push(message),
                    Ok(None) => break,
                    Err(_) => return (messages, true),
                }
            }
        }
        (messages, false)
    };
    let whole = read(&mut std::iter::once(data));
    let pieces = read(&mut data.chunks(7));
    assert_eq!(whole, pieces);
    whole.0.iter().for_each(data_in);
}

/// Whatever in a message is taken for a column's value is written as it was read.
fn data_in(value: &Value) {
    if let Some(datum) = Datum::from_json(value) {
        assert_eq!(Datum::from_json(&datum.to_json()).as_ref(), Some(&datum));
    }
    value.as_array().into_iter().flatten().for_each(data_in);
    value.as_object().into_iter().flat_map(|object| object.values()).for_each(data_in);
}
