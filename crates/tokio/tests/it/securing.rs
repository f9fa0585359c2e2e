//! `wss` URLs: TLS by rustls, with a certificate that the test has made.

use std::sync::Arc;

use sockeye_tokio::{Client, Error, Message};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::talking::echo;

/// A server for `localhost`, and what a client must trust.
fn configs() -> (Arc<ServerConfig>, Arc<ClientConfig>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let certificate = made.cert.der().clone();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(ring::default_provider());
    let server = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate.clone()], key)
        .expect("a key that fits");
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("a root");
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    (Arc::new(server), Arc::new(client))
}

#[tokio::test]
async fn over_tls() {
    let (server, client) = configs();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let stream = TlsAcceptor::from(server).accept(stream).await?;
        echo(sockeye_tokio::accept(stream).await?).await
    });
    let url = format!("wss://localhost:{port}/");
    let mut socket = Client::new(&url).tls_config(client).connect().await.expect("a connection");
    for len in [0, 10, 100_000] {
        let message = Message::text("x".repeat(len));
        socket.send(message.clone()).await.expect("open");
        assert_eq!(socket.recv().await.expect("open").expect("well"), message);
    }
    socket.close(None).await.expect("in order");
    server.await.expect("no panic").expect("in order");
}

/// What the platform does not trust is not connected to.
#[tokio::test]
async fn a_certificate_that_nobody_has_signed_is_refused() {
    let (server, _) = configs();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        TlsAcceptor::from(server).accept(stream).await.map(drop)
    });
    let refused = sockeye_tokio::connect(&format!("wss://localhost:{port}/")).await;
    assert!(matches!(refused, Err(Error::Io(_))), "{refused:?}");
    assert!(server.await.expect("no panic").is_err());
}
