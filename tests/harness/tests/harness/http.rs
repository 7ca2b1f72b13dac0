use harness::http_get;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

#[tokio::test]
async fn status_and_body_are_read() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut request = [0; 1024];
        let count = stream.read(&mut request).await.unwrap();
        stream.write_all(b"HTTP/1.1 503 Service Unavailable\r\nX: y\r\n\r\nno link").await.unwrap();
        String::from_utf8_lossy(&request[..count]).into_owned()
    });
    let response = http_get(port, "/readyz").await.unwrap();
    assert_eq!((response.status, response.body.as_str()), (503, "no link"));
    assert!(server.await.unwrap().starts_with("GET /readyz HTTP/1.1\r\n"));
}
