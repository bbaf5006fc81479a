//! HTTP: the page, the API, the metrics endpoint.
