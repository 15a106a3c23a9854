//! Legs: one dialog or fork branch within a call; one leg for one device.
