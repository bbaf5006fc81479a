//! State that is pushed or scraped: Prometheus metrics.
