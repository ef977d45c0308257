//! Walking journeys.
