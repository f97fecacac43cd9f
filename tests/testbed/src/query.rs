//! Parts of an address, decoded.

use hyper::Uri;
use percent_encoding::percent_decode_str;

/// Returns the decoded value of a query parameter, empty if it has none.
pub(crate) fn parameter(uri: &Uri, name: &str) -> Option<String> {
    uri.query()?.split('&').find_map(|pair| {
        let (found, value) = pair.split_once('=').unwrap_or((pair, ""));
        (found == name).then(|| decode(&value.replace('+', " ")))
    })
}

/// Undoes percent encoding.
pub(crate) fn decode(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}
