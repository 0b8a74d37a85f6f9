//! A client of the public REST API, as thin as curl: tests look at statuses and JSON, not at our own types.

use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use crate::wait;

const TIMEOUT: Duration = Duration::from_secs(30);

/// A client with one bearer token. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Api {
    base: String,
    token: String,
    http: reqwest::Client,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body; a string when it is not JSON.
    pub body: Value,
}

impl Answer {
    /// The envelope's `data`.
    ///
    /// # Errors
    /// When the status is not 2xx; the text holds the answer.
    pub fn data(self) -> anyhow::Result<Value> {
        if !self.status.is_success() || self.body["success"] != Value::Bool(true) {
            bail!("{}: {}", self.status, self.body);
        }
        Ok(self.body["data"].clone())
    }

    /// The envelope's `error.code`.
    pub fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }
}

/// A stream that was just created.
#[derive(Clone, Debug)]
pub struct NewStream {
    /// Its id.
    pub id: String,
    /// `rtmp://host:port/live`.
    pub ingest_url: String,
    /// What to append to it.
    pub stream_key: String,
}

impl NewStream {
    /// Where an encoder publishes.
    pub fn publish_url(&self) -> String {
        format!("{}/{}", self.ingest_url, self.stream_key)
    }
}

impl Api {
    /// A client of the gateway at `base`.
    pub fn new(base: impl Into<String>, token: impl Into<String>) -> Self {
        // Without a provider reqwest panics; a second installation is refused, which is fine.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().timeout(TIMEOUT).build().unwrap_or_default();
        Self { base: base.into(), token: token.into(), http }
    }

    /// Any request. `path` begins with `/`.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Answer> {
        let mut request = self.http.request(method, format!("{}{path}", self.base)).bearer_auth(&self.token);
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.with_context(|| format!("no answer to {path}"))?;
        let (status, headers) = (response.status(), response.headers().clone());
        let text = response.text().await?;
        let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
        Ok(Answer { status, headers, body })
    }

    /// GET.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<Answer> {
        self.call(Method::GET, path, None).await
    }

    /// POST with a JSON body.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.call(Method::POST, path, Some(body)).await
    }

    /// PATCH with a JSON body.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.call(Method::PATCH, path, Some(body)).await
    }

    /// DELETE.
    ///
    /// # Errors
    /// When there is no answer.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Answer> {
        self.call(Method::DELETE, path, None).await
    }

    /// Creates a stream.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create_stream(&self, title: &str) -> anyhow::Result<NewStream> {
        let data = self.post("/api/streams", &json!({"title": title})).await?.data()?;
        Ok(NewStream {
            id: text(&data, "id")?,
            ingest_url: text(&data["ingest"], "url")?,
            stream_key: text(&data["ingest"], "key")?,
        })
    }

    /// Creates an `rtmp_custom` destination with the given settings (`{}` for the defaults: the source as it is).
    ///
    /// # Errors
    /// When it is refused.
    pub async fn create_destination(
        &self,
        stream: &str,
        name: &str,
        rtmp_url: &str,
        stream_key: &str,
        settings: Value,
    ) -> anyhow::Result<String> {
        let body = json!({
            "stream_id": stream, "platform": "rtmp_custom", "name": name,
            "rtmp_url": rtmp_url, "stream_key": stream_key, "is_enabled": true, "settings": settings,
        });
        text(&self.post("/api/destinations", &body).await?.data()?, "id")
    }

    /// Goes live; the answer comes when every destination is connected or failed, or after the API's own wait.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn start(&self, stream: &str) -> anyhow::Result<Value> {
        self.post(&format!("/api/simulcast/{stream}/start"), &json!({})).await?.data()
    }

    /// Goes live and does not wait for the destinations.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn start_no_wait(&self, stream: &str) -> anyhow::Result<Value> {
        self.post(&format!("/api/simulcast/{stream}/start?wait=0"), &json!({})).await?.data()
    }

    /// Ends the simulcast.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn stop(&self, stream: &str) -> anyhow::Result<()> {
        let answer = self.call(Method::POST, &format!("/api/simulcast/{stream}/stop"), None).await?;
        if !answer.status.is_success() {
            bail!("stop: {} {}", answer.status, answer.body);
        }
        Ok(())
    }

    /// The status of the stream and its destinations.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn status(&self, stream: &str) -> anyhow::Result<Value> {
        self.get(&format!("/api/simulcast/{stream}/status")).await?.data()
    }

    /// The health.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn health(&self, stream: &str) -> anyhow::Result<Value> {
        self.get(&format!("/api/simulcast/{stream}/health")).await?.data()
    }

    /// The metrics.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn metrics(&self, stream: &str) -> anyhow::Result<Value> {
        self.get(&format!("/api/simulcast/{stream}/metrics")).await?.data()
    }

    /// Waits until `fits` says that the status is as wanted, and returns it.
    ///
    /// # Errors
    /// After `deadline`, with the last status.
    pub async fn wait_status(
        &self,
        stream: &str,
        deadline: Duration,
        fits: impl Fn(&Value) -> bool,
    ) -> anyhow::Result<Value> {
        let mut last = Value::Null;
        let found = wait::until("the wanted status", deadline, async || {
            // An orchestrator that is just being restarted is not the end of the wait.
            if let Ok(status) = self.status(stream).await {
                last = status;
            }
            fits(&last).then(|| last.clone())
        })
        .await;
        found.with_context(|| format!("last status: {last}"))
    }

    /// Waits until every destination of the stream has one of these statuses.
    ///
    /// # Errors
    /// After `deadline`, with the last status.
    pub async fn wait_destinations(&self, stream: &str, deadline: Duration, wanted: &[&str]) -> anyhow::Result<Value> {
        self.wait_status(stream, deadline, |status| {
            let destinations = status["destinations"].as_array().map(Vec::as_slice).unwrap_or_default();
            !destinations.is_empty()
                && destinations.iter().all(|one| one["status"].as_str().is_some_and(|is| wanted.contains(&is)))
        })
        .await
    }
}

/// The status of one destination inside a status answer.
pub fn destination_status<'a>(status: &'a Value, id: &str) -> &'a str {
    let all = status["destinations"].as_array().map(Vec::as_slice).unwrap_or_default();
    all.iter().find(|one| one["id"] == id).and_then(|one| one["status"].as_str()).unwrap_or_default()
}

fn text(data: &Value, field: &str) -> anyhow::Result<String> {
    Ok(data[field].as_str().with_context(|| format!("no `{field}` in {data}"))?.to_owned())
}
