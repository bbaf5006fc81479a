//! HTTP: the page, the metrics, the API, health and reload (CONTRACTS §5). Everything shown is a view of what the monitor
//! last published: no request reads a file, asks a provider or waits for a cycle.
//!
//! * [`site`]: what the handlers share, and the routes.
//! * [`api`]: alerts, and what people do about them.
//! * [`links`]: the pages of signed links, and what following one does.
//! * [`guard`]: who may ask (Host allow-list), what every answer carries, the token for writes.
//! * [`page`]: the page as a pure function of a view.
//! * [`serve`]: connections, their limits, shutdown.

pub mod api;
pub mod guard;
pub mod links;
pub mod page;
pub mod serve;
pub mod site;

pub use api::Clerk;
pub use serve::{Door, serve};
pub use site::{Reload, Site, View, router};
