//! The provider catalog (data), probes (requests) and the classification of answers (pure).
