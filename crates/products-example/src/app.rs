//! All of it together, over one listener.

use std::io;
use std::sync::Arc;

use axum::Router;
use axum::extract::FromRef;
use axum::serve::ListenerExt as _;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::time::{sleep, timeout};

use crate::feed::Patience;
use crate::service::Service;
use crate::{controller, feed, pages};

/// What the handlers get.
#[derive(Clone, FromRef)]
struct App {
    service: Arc<Service>,
    patience: Patience,
}

/// All routes.
pub fn router(service: Arc<Service>, patience: Patience) -> Router {
    Router::new()
        .merge(pages::routes())
        .merge(controller::routes())
        .merge(feed::routes())
        .fallback(controller::Failure::no_such_page)
        .method_not_allowed_fallback(controller::Failure::wrong_method)
        .with_state(App { service, patience })
}

/// Serves until `stop` is done; then the requests that have begun are answered, and the subscribers
/// hear what waits for them and are closed with 1001.
///
/// # Errors
///
/// If the listener fails.
pub async fn serve(
    listener: TcpListener,
    service: Arc<Service>,
    patience: Patience,
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let notifications = service.notifications().clone();
    // A notification is short, and nothing comes behind it that would be worth waiting for.
    let listener = listener.tap_io(|stream| {
        let _ = stream.set_nodelay(true);
    });
    let app = router(service, patience);
    let (asked, asking) = oneshot::channel::<()>();
    let stop = async move {
        stop.await;
        drop(asked);
    };
    tokio::select! {
        served = axum::serve(listener, app).with_graceful_shutdown(stop) => served?,
        // A client that never ends its request keeps nobody.
        () = async { let _ = asking.await; sleep(patience.0).await } => {}
    }
    notifications.end();
    let _ = timeout(patience.0, notifications.until_subscribers(0)).await;
    Ok(())
}
