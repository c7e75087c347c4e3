//! The live page: what HTTP clients get, and which pages may connect.

use std::net::SocketAddr;

use nuncio_tokio::arcp::{ListenOptions, MountOptions, OriginPolicy};
use nuncio_tokio::console::{ConsoleServer, router};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::support::{builder, within};

async fn console() -> ConsoleServer {
    let server = builder().build().unwrap();
    ConsoleServer::listen(&server, "127.0.0.1:0", ListenOptions::default()).await.unwrap()
}

/// Sends a request, and returns the answer up to the end of the connection, which the request asks for.
async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8(answer).unwrap()
}

async fn ask(address: SocketAddr, method: &str, path: &str, headers: &str) -> String {
    exchange(address, &format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{headers}\r\n"))
        .await
}

/// Asks for a WebSocket as a browser does, and returns the first line of the answer.
async fn upgrade(address: SocketAddr, path: &str, host: &str, origin: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: {origin}\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap().to_ascii_lowercase();
    assert!(!answer.contains("sec-websocket-extensions"), "{answer}");
    answer.lines().next().unwrap().to_owned()
}

#[tokio::test]
async fn the_page_is_read_with_get_and_head_and_nothing_else_is_there() {
    within(async {
        let console = console().await;
        let address = console.address();
        for (path, kind) in [("/", "text/html"), ("/?x=1", "text/html"), ("/console.js", "text/javascript")] {
            let answer = ask(address, "GET", path, "").await;
            assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
            assert!(answer.contains(&format!("content-type: {kind}")), "{answer}");
            assert!(answer.contains("content-security-policy: default-src 'none'"), "{answer}");
            let head = ask(address, "HEAD", path, "").await;
            let (of_get, _) = answer.split_once("\r\n\r\n").unwrap();
            let (of_head, body) = head.split_once("\r\n\r\n").unwrap();
            let undated =
                |text: &str| text.lines().filter(|line| !line.starts_with("date:")).collect::<Vec<_>>().join("\n");
            assert_eq!((undated(of_head), body), (undated(of_get), ""), "HEAD has the headers of GET, and no body");
            let etag = of_get.lines().find_map(|line| line.strip_prefix("etag: ")).unwrap();
            let again = ask(address, "GET", path, &format!("If-None-Match: {etag}\r\n")).await;
            assert!(again.starts_with("HTTP/1.1 304 ") && again.ends_with("\r\n\r\n"), "{again}");
        }
        for (method, path, status) in [
            ("GET", "/index.html", 404),
            ("GET", "/../../etc/passwd", 404),
            ("GET", "/%2e%2e/%2e%2e/etc/passwd", 404),
            ("GET", "//", 404),
            ("DELETE", "/", 405),
            ("POST", "/console.js", 405),
            ("OPTIONS", "/", 405),
            ("GET", "/arcp", 426),
            ("POST", "/arcp", 405),
        ] {
            let answer = ask(address, method, path, "").await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{method} {path}: {answer}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_with_too_large_a_head_is_refused() {
    within(async {
        let address = console().await;
        let address = address.address();
        let large = format!("X-Large: {}\r\n", "x".repeat(20 << 10));
        let answer = ask(address, "GET", "/", &large).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
        let many = "X-Many: 1\r\n".repeat(200);
        let answer = ask(address, "GET", "/", &many).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    })
    .await;
}

#[tokio::test]
async fn the_page_itself_may_connect_and_other_pages_may_not() {
    within(async {
        let console = console().await;
        let address = console.address();
        let host = address.to_string();
        let port = address.port();
        for (host, origin, status) in [
            (host.as_str(), format!("http://{host}"), 101),
            (&format!("localhost:{port}"), format!("http://localhost:{port}"), 101),
            // Another site, another port of this machine, a sandboxed page, and a name that was pointed at this machine.
            (&host, "https://evil.example".to_owned(), 403),
            (&host, "http://127.0.0.1:1".to_owned(), 403),
            (&host, format!("http://localhost:{port}"), 403),
            (&host, "null".to_owned(), 403),
            (&format!("evil.example:{port}"), format!("http://evil.example:{port}"), 403),
        ] {
            let status = format!("http/1.1 {status} ");
            assert!(upgrade(address, "/arcp", host, &origin).await.starts_with(&status), "{host} {origin}");
        }
    })
    .await;
}

/// A connection that says nothing is displaced by others, and a WebSocket is not.
#[tokio::test]
async fn silent_connections_keep_nobody_out() {
    within(async {
        let console = console().await;
        let address = console.address();
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(b"GET / HTTP/1.1\r\nHost: ").await.unwrap();
        let mut others = Vec::new();
        for _ in 0..200 {
            others.push(TcpStream::connect(address).await.unwrap());
        }
        let answer = ask(address, "GET", "/", "").await;
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        // The first one has been closed: with an end, or with a reset because of what it has sent.
        let mut byte = [0];
        assert!(matches!(silent.read(&mut byte).await, Ok(0) | Err(_)));
    })
    .await;
}

#[tokio::test]
async fn a_page_over_a_nested_path_of_an_axum_application() {
    within(async {
        let options = MountOptions::default().origins(OriginPolicy::SameHost);
        let app = axum::Router::new().nest("/console/", router(builder().build().unwrap(), options));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move { axum::serve(listener, app).await });
        for (path, status) in [("/console/", 200), ("/console/console.js", 200), ("/console/x", 404), ("/", 404)] {
            let answer = ask(address, "GET", path, "").await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
        }
        let head = ask(address, "HEAD", "/console/", "").await;
        assert!(head.starts_with("HTTP/1.1 200 ") && head.ends_with("\r\n\r\n"), "{head}");
        assert!(ask(address, "POST", "/console/", "").await.starts_with("HTTP/1.1 405 "));
        let own = upgrade(address, "/console/arcp", &address.to_string(), &format!("http://{address}")).await;
        assert!(own.starts_with("http/1.1 101 "), "{own}");
        let other = upgrade(address, "/console/arcp", &address.to_string(), "http://evil.example").await;
        assert!(other.starts_with("http/1.1 403 "), "{other}");
    })
    .await;
}
