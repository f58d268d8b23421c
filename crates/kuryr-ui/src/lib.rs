//! The picture: a page that draws networks, routers, ports and containers of a cloud, live.
//!
//! - [`topology`] joins what Neutron and Docker say, and knows neither; it is plain data, and the JSON that the page gets.
//! - [`Source`] asks both, only while somebody looks, and no more of the cloud than that.
//! - [`router`] serves the page, to everybody, and what it draws, to whoever has the [`Token`].
//!
//! Nothing is ever changed: every call to the cloud and to Docker is a question. The page needs nothing but this process.

mod error;
mod guard;
mod page;
mod serve;
mod source;
mod token;
pub mod topology;

pub use error::Error;
pub use serve::router;
pub use source::{Picture, Source};
pub use token::Token;
