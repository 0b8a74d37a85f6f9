//! The calls: units first, then the token (renewed once on a 401), then the answer read by its reason.

use std::sync::Arc;

use bytes::Bytes;
use domain::platform::Platform;
use reqwest::{Method, StatusCode, header::CONTENT_TYPE};
use serde::{Serialize, de::DeserializeOwned};
use service_kit::Clock;

use super::{
    Endpoints,
    fault::{self, Problem},
    model::{Broadcast, Page, Stream, Video},
};
use crate::{
    http::{Http, Reply, Trouble},
    platforms::{Budget, Failure, Purpose, Thumbnail, Token, Tokens},
    quota,
};

/// Units of a list call. Source: the API's quota cost table.
const READ: u32 = 1;
/// Units of a call that changes something.
const WRITE: u32 = 50;
/// Most ids that one list call takes, and most items on one page.
pub(super) const MOST: usize = 50;
/// Pages that are looked through; nobody has more open broadcasts or streams.
const PAGES: usize = 10;

const BROADCAST_PARTS: &str = "id,snippet,contentDetails,status";
const STREAM_PARTS: &str = "id,snippet,cdn,contentDetails,status";

/// Everything but the account.
#[derive(Clone)]
pub(super) struct Api {
    pub http: Http,
    pub endpoints: Arc<Endpoints>,
    pub budget: Arc<dyn Budget>,
    pub clock: Arc<dyn Clock>,
}

/// The calls of one account.
pub(super) struct Channel<'a> {
    pub api: &'a Api,
    pub tokens: &'a dyn Tokens,
    pub purpose: Purpose,
}

type Query<'a> = Vec<(&'static str, &'a str)>;

struct Call<'a> {
    method: Method,
    /// Below the API's address.
    path: &'static str,
    query: Query<'a>,
    content: Option<(&'a str, Bytes)>,
}

impl Channel<'_> {
    /// Every stream of the channel, bounded.
    pub async fn my_streams(&self) -> Result<Vec<Stream>, Problem> {
        self.all("/liveStreams", vec![("part", STREAM_PARTS), ("mine", "true")]).await
    }

    /// At most [`MOST`] at once; what is not there is not in the answer.
    pub async fn streams(&self, parts: &str, ids: &[&str]) -> Result<Vec<Stream>, Problem> {
        self.by_id("/liveStreams", parts, ids, true).await
    }

    pub async fn insert_stream(&self, stream: &Stream) -> Result<Stream, Problem> {
        self.write(Method::POST, "/liveStreams", vec![("part", STREAM_PARTS)], Some(stream)).await
    }

    /// Every broadcast of the channel that is still to come, bounded.
    pub async fn upcoming(&self) -> Result<Vec<Broadcast>, Problem> {
        let query = vec![("part", BROADCAST_PARTS), ("broadcastStatus", "upcoming"), ("broadcastType", "event")];
        self.all("/liveBroadcasts", query).await
    }

    /// At most [`MOST`] at once; what is not there is not in the answer.
    pub async fn broadcasts(&self, parts: &str, ids: &[&str]) -> Result<Vec<Broadcast>, Problem> {
        self.by_id("/liveBroadcasts", parts, ids, true).await
    }

    pub async fn insert_broadcast(&self, broadcast: &Broadcast) -> Result<Broadcast, Problem> {
        self.write(Method::POST, "/liveBroadcasts", vec![("part", BROADCAST_PARTS)], Some(broadcast)).await
    }

    /// Replaces every mutable field of the parts.
    pub async fn update_broadcast(&self, parts: &str, broadcast: &Broadcast) -> Result<Broadcast, Problem> {
        self.write(Method::PUT, "/liveBroadcasts", vec![("part", parts)], Some(broadcast)).await
    }

    pub async fn delete_broadcast(&self, id: &str) -> Result<(), Problem> {
        let call = Call { method: Method::DELETE, path: "/liveBroadcasts", query: vec![("id", id)], content: None };
        self.send(call, &self.api.endpoints.api, WRITE).await.map(|_| ())
    }

    /// Binding what is bound already changes nothing.
    pub async fn bind(&self, id: &str, stream: &str) -> Result<Broadcast, Problem> {
        let query = vec![("part", BROADCAST_PARTS), ("id", id), ("streamId", stream)];
        self.write(Method::POST, "/liveBroadcasts/bind", query, None::<&()>).await
    }

    /// To `live` or `complete`.
    pub async fn transition(&self, id: &str, to: &str) -> Result<Broadcast, Problem> {
        let query = vec![("part", BROADCAST_PARTS), ("id", id), ("broadcastStatus", to)];
        self.write(Method::POST, "/liveBroadcasts/transition", query, None::<&()>).await
    }

    /// At most [`MOST`] at once.
    pub async fn videos(&self, ids: &[&str]) -> Result<Vec<Video>, Problem> {
        self.by_id("/videos", "id,liveStreamingDetails", ids, false).await
    }

    pub async fn set_thumbnail(&self, id: &str, thumbnail: &Thumbnail) -> Result<(), Problem> {
        let query = vec![("videoId", id), ("uploadType", "media")];
        let content = (thumbnail.content_type.as_str(), Bytes::copy_from_slice(&thumbnail.image));
        let call = Call { method: Method::POST, path: "/thumbnails/set", query, content: Some(content) };
        self.send(call, &self.api.endpoints.upload, WRITE).await.map(|_| ())
    }

    async fn by_id<T: DeserializeOwned>(
        &self,
        path: &'static str,
        parts: &str,
        ids: &[&str],
        sized: bool,
    ) -> Result<Vec<T>, Problem> {
        let (ids, most) = (ids.join(","), MOST.to_string());
        let mut query = vec![("part", parts), ("id", ids.as_str())];
        if sized {
            query.push(("maxResults", most.as_str())); // else a page has five, by id, too
        }
        Ok(self.read::<Page<T>>(path, query).await?.items)
    }

    async fn all<T: DeserializeOwned>(&self, path: &'static str, query: Query<'_>) -> Result<Vec<T>, Problem> {
        let most = MOST.to_string();
        let (mut found, mut token) = (Vec::new(), None::<String>);
        for _ in 0..PAGES {
            let mut query = query.clone();
            query.push(("maxResults", most.as_str()));
            if let Some(token) = token.as_deref() {
                query.push(("pageToken", token));
            }
            let page: Page<T> = self.read(path, query).await?;
            found.extend(page.items);
            token = page.next_page_token;
            if token.is_none() {
                break;
            }
        }
        Ok(found)
    }

    async fn read<T: DeserializeOwned>(&self, path: &'static str, query: Query<'_>) -> Result<T, Problem> {
        let call = Call { method: Method::GET, path, query, content: None };
        parse(&self.send(call, &self.api.endpoints.api, READ).await?)
    }

    async fn write<B: Serialize, T: DeserializeOwned>(
        &self,
        method: Method,
        path: &'static str,
        query: Query<'_>,
        body: Option<&B>,
    ) -> Result<T, Problem> {
        let body = body.map(serde_json::to_vec).transpose();
        let body = body.map_err(|_| Failure::trouble(Platform::Youtube, Trouble::NotSent))?;
        let content = body.map(|body| ("application/json", Bytes::from(body)));
        parse(&self.send(Call { method, path, query, content }, &self.api.endpoints.api, WRITE).await?)
    }

    async fn send(&self, call: Call<'_>, base: &str, units: u32) -> Result<Reply, Problem> {
        self.api.budget.spend(units, self.purpose).await?;
        let token = self.tokens.token().await?;
        let mut reply = self.attempt(&call, base, &token).await?;
        if reply.status == StatusCode::UNAUTHORIZED && fault::reason(&reply) != fault::NO_CHANNEL {
            let token = self.tokens.renew(&token).await?;
            reply = self.attempt(&call, base, &token).await?;
        }
        if reply.status.is_success() {
            return Ok(reply);
        }
        let problem = fault::read(&reply);
        tracing::debug!(
            path = call.path,
            status = reply.status.as_u16(),
            reason = fault::word(&problem.reason),
            "YouTube refused"
        );
        if problem.is(&fault::QUOTA) {
            self.api.budget.exhausted().await;
            return Err(Problem { failure: quota::used_up(self.api.clock.now(), Purpose::GoLive), ..problem });
        }
        Err(problem)
    }

    async fn attempt(&self, call: &Call<'_>, base: &str, token: &Token) -> Result<Reply, Problem> {
        use secret::ExposeSecret;
        let client = self.api.http.client();
        let mut request = client
            .request(call.method.clone(), format!("{base}{}", call.path))
            .query(&call.query)
            .bearer_auth(token.secret.expose_secret());
        request = match &call.content {
            Some((kind, body)) => request.header(CONTENT_TYPE, *kind).body(body.clone()),
            // Google answers 411 to a POST without a length.
            None if call.method == Method::POST => request.header("content-length", "0"),
            None => request,
        };
        let reply = self.api.http.send(request).await;
        Ok(reply.map_err(|trouble| Failure::trouble(Platform::Youtube, trouble))?)
    }
}

fn parse<T: DeserializeOwned>(reply: &Reply) -> Result<T, Problem> {
    Ok(reply.json().map_err(|trouble| Failure::trouble(Platform::Youtube, trouble))?)
}
