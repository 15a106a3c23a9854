//! REST and push messages: HTTP text and JSON, read as far as they go.
