//! The REST API: `/api/{version}/productos`.

use std::sync::Arc;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, FromRef, FromRequest, FromRequestParts, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Router, extract};
use serde::{Deserialize, Serialize};

use crate::product::{Draft, Invalid, Product, Version};
use crate::service::{self, LIST_MAX, Service};

/// The longest body of a request, in bytes; a draft with the longest name has under 2 KiB.
const BODY_BYTES_MAX: usize = 16 * 1024;

pub(crate) fn routes<S>() -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    Arc<Service>: FromRef<S>,
{
    Router::new()
        .route("/api/{version}/productos", get(list).post(create))
        .route("/api/{version}/productos/{id}", get(find).put(update).delete(delete))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// Where the path leads to: to a version's products, or to one of them.
#[derive(FromRequestParts)]
#[from_request(via(extract::Path), rejection(Failure))]
pub(crate) struct Path<T>(pub(crate) T);

#[derive(FromRequestParts)]
#[from_request(via(extract::Query), rejection(Failure))]
struct Query<T>(T);

#[derive(FromRequest)]
#[from_request(via(axum::Json), rejection(Failure))]
struct Json<T>(T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        axum::Json(self.0).into_response()
    }
}

/// A page of the list: what comes after the last one of the page before.
#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    after: i64,
    #[serde(default = "list_max")]
    limit: u32,
}

const fn list_max() -> u32 {
    LIST_MAX
}

async fn list(
    State(service): State<Arc<Service>>,
    Path(version): Path<Version>,
    Query(page): Query<Page>,
) -> Result<Json<Vec<Product>>, Failure> {
    ask(service, move |service| service.list(version, page.after, page.limit)).await.map(Json)
}

async fn find(
    State(service): State<Arc<Service>>,
    Path((version, id)): Path<(Version, i64)>,
) -> Result<Json<Product>, Failure> {
    ask(service, move |service| service.find(version, id)).await.map(Json)
}

async fn create(
    State(service): State<Arc<Service>>,
    Path(version): Path<Version>,
    Json(draft): Json<Draft>,
) -> Result<impl IntoResponse, Failure> {
    let product = ask(service, move |service| service.create(version, draft)).await?;
    let location = format!("/api/{version}/productos/{}", product.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(product)))
}

async fn update(
    State(service): State<Arc<Service>>,
    Path((version, id)): Path<(Version, i64)>,
    Json(draft): Json<Draft>,
) -> Result<Json<Product>, Failure> {
    ask(service, move |service| service.update(version, id, draft)).await.map(Json)
}

async fn delete(
    State(service): State<Arc<Service>>,
    Path((version, id)): Path<(Version, i64)>,
) -> Result<StatusCode, Failure> {
    ask(service, move |service| service.delete(version, id)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Asks the service on a thread that may wait for the disk. What has begun there is done, and told,
/// even if the client has gone meanwhile.
async fn ask<T: Send + 'static>(
    service: Arc<Service>,
    question: impl FnOnce(&Service) -> Result<T, service::Error> + Send + 'static,
) -> Result<T, Failure> {
    match tokio::task::spawn_blocking(move || question(&service)).await {
        Ok(answer) => Ok(answer?),
        Err(panic) => Err(Failure::internal(&panic)),
    }
}

/// What a request is answered when it fails: `{"error": "name_taken", "message": "..."}`. The first
/// is for programs, and stays as it is; the second is for people.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    error: &'static str,
    message: String,
}

impl Failure {
    pub(crate) const fn new(status: StatusCode, error: &'static str, message: String) -> Self {
        Self { status, error, message }
    }

    /// What went wrong here is for this end's eyes only.
    fn internal(error: &dyn std::fmt::Display) -> Self {
        eprintln!("a request failed: {error}");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "try again later".to_owned())
    }

    pub(crate) async fn no_such_page() -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_page", "there is nothing here".to_owned())
    }

    pub(crate) async fn wrong_method() -> Self {
        let message = "this cannot be done here".to_owned();
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "wrong_method", message)
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        #[derive(Serialize)]
        struct Body {
            error: &'static str,
            message: String,
        }
        let Self { status, error, message } = self;
        (status, Json(Body { error, message })).into_response()
    }
}

impl From<service::Error> for Failure {
    fn from(error: service::Error) -> Self {
        let (status, name) = match &error {
            service::Error::Invalid(invalid) => {
                let name = match invalid {
                    Invalid::NameEmpty => "name_empty",
                    Invalid::NameTooLong => "name_too_long",
                    Invalid::NameUnprintable => "name_unprintable",
                    Invalid::PriceOutOfRange => "price_out_of_range",
                };
                (StatusCode::UNPROCESSABLE_ENTITY, name)
            }
            service::Error::NotFound => (StatusCode::NOT_FOUND, "no_such_product"),
            service::Error::NameTaken => (StatusCode::CONFLICT, "name_taken"),
            service::Error::Storage(error) => return Self::internal(error),
        };
        Self::new(status, name, error.to_string())
    }
}

/// A path that names no version or no number leads nowhere.
impl From<PathRejection> for Failure {
    fn from(rejection: PathRejection) -> Self {
        Self::new(StatusCode::NOT_FOUND, "no_such_page", rejection.body_text())
    }
}

impl From<QueryRejection> for Failure {
    fn from(rejection: QueryRejection) -> Self {
        Self::new(rejection.status(), "bad_query", rejection.body_text())
    }
}

impl From<JsonRejection> for Failure {
    fn from(rejection: JsonRejection) -> Self {
        let error = match &rejection {
            JsonRejection::JsonDataError(_) => "no_draft",
            JsonRejection::JsonSyntaxError(_) => "no_json",
            JsonRejection::MissingJsonContentType(_) => "no_json_type",
            _ => "bad_body",
        };
        Self::new(rejection.status(), error, rejection.body_text())
    }
}
