//! One HTTP request, to read `/readyz` and `/metrics`.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(5);
const RESPONSE_BYTES_MAX: u64 = 4 << 20;

/// What a server answered.
#[derive(Debug)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The body, of at most 4 MiB.
    pub body: String,
}

/// GETs a path from a loopback port; answers within 5 seconds or fails.
///
/// # Errors
/// When nobody listens, or the answer is no HTTP.
pub async fn http_get(port: u16, path: &str) -> Result<HttpResponse> {
    timeout(PATIENCE, request(port, path)).await.with_context(|| format!("GET {path} on port {port}"))?
}

async fn request(port: u16, path: &str) -> Result<HttpResponse> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut response = Vec::new();
    stream.take(RESPONSE_BYTES_MAX).read_to_end(&mut response).await?;
    parse(&String::from_utf8(response).context("the answer is UTF-8")?)
}

fn parse(response: &str) -> Result<HttpResponse> {
    let (head, body) = response.split_once("\r\n\r\n").context("the answer has a head and a body")?;
    let status =
        head.split(' ').nth(1).and_then(|code| code.parse().ok()).context("the answer has a status")?;
    Ok(HttpResponse { status, body: body.to_owned() })
}
