//! HTTP: the page, the metrics, the API, health and reload (CONTRACTS §5). Everything shown is a view of what the monitor
//! last published: no request asks a provider or waits for a cycle, and none reads a file but that of `[web] config`, after a
//! change of it.
//!
//! * [`site`]: what the handlers share, and the routes.
//! * [`api`]: alerts, and what people do about them.
//! * [`links`]: the pages of signed links, and what following one does.
//! * [`guard`]: who may ask (Host allow-list), what every answer carries, the token for writes; [`access`]: who may look, TLS.
//! * [`pages`]: what browsers ask for, and their forms; [`session`]: who is logged in; [`page`]: pages as pure functions of a view.
//! * [`outside`]: the calendar and the badges, for those who have their tokens.
//! * [`serve`]: connections, their limits, shutdown.

pub mod access;
pub mod api;
pub mod guard;
pub mod links;
mod outside;
mod page;
mod pages;
pub mod serve;
mod session;
pub mod site;

pub use access::Access;
pub use api::{Clerk, Past, Pasts, Talk};
pub use serve::{Door, serve, serve_guarded};
pub use site::{Passes, Reload, Site, View, router};
