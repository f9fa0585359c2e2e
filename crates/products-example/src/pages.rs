//! The page, its script and its style.

use axum::Router;
use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::IntoResponse;
use axum::routing::get;

pub(crate) fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(|| file("text/html", include_str!("page/index.html"))))
        .route("/page.js", get(|| file("text/javascript", include_str!("page/page.js"))))
        .route("/page.css", get(|| file("text/css", include_str!("page/page.css"))))
}

/// The page loads nothing from elsewhere and runs nothing but its script, whatever a product is called.
async fn file(kind: &'static str, content: &'static str) -> impl IntoResponse {
    let headers = [
        (CONTENT_TYPE, format!("{kind}; charset=utf-8")),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'self'; img-src data:; frame-ancestors 'none'".to_owned(),
        ),
        (X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
    ];
    (headers, content)
}
