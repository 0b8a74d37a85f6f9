//! The services behind the gateway: the orchestrator's `Streams`, and the vault and the platforms of credentials.

mod refusal;
mod spoken;

use std::time::Duration;

use domain::ids::TenantId;
use secret::SecretString;
use service_kit::grpc::{self, InternalChannel, InvalidUrl};
use tokio::time::Instant;
use tonic::Status;
use wire::v1::{self, platforms_client::PlatformsClient, streams_client::StreamsClient, vault_client::VaultClient};

pub use refusal::{is_definite, refusal};

/// Clients of all three. Cheap to clone; connections are made when first needed and again when lost.
#[derive(Clone)]
pub struct Upstream {
    streams: StreamsClient<InternalChannel>,
    vault: VaultClient<InternalChannel>,
    platforms: PlatformsClient<InternalChannel>,
}

/// How long one request of ours may take behind the gateway in all, over however many calls.
#[derive(Clone, Copy, Debug)]
pub struct Budget(Instant);

impl Budget {
    /// Starts now.
    pub fn of(limit: Duration) -> Self {
        Self(Instant::now() + limit)
    }

    /// What is left of it, in ms; never 0, so that the callee answers rather than us.
    fn left_ms(self) -> u64 {
        let left = self.0.saturating_duration_since(Instant::now()).as_millis();
        u64::try_from(left).unwrap_or(u64::MAX).max(1)
    }
}

macro_rules! calls {
    ($client:ident: $($(#[$doc:meta])* $name:ident($request:ident) -> $answer:ident;)+) => {
        impl Upstream {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// What the callee refuses with, or UNAVAILABLE, DEADLINE_EXCEEDED and the like when it can't be reached.
                pub async fn $name(&self, message: v1::$request, budget: Budget) -> Result<v1::$answer, Status> {
                    let request = grpc::deadline(budget.left_ms(), message);
                    Ok(self.$client.clone().$name(request).await?.into_inner())
                }
            )+
        }
    };
}

calls! { streams:
    /// Stores a stream under the id that we made.
    create_stream(CreateStreamRequest) -> Stream;
    /// One stream.
    get_stream(StreamRef) -> Stream;
    /// A tenant's streams, oldest first.
    list_streams(ListStreamsRequest) -> ListStreamsResponse;
    /// Changes what is given.
    update_stream(UpdateStreamRequest) -> Stream;
    /// Removes a stream and its destinations.
    delete_stream(StreamRef) -> Empty;
    /// Makes a new ingest key valid and the old one invalid.
    set_ingest_key(SetIngestKeyRequest) -> Empty;
    /// Stores a destination under the id that we made.
    create_destination(CreateDestinationRequest) -> Destination;
    /// One destination.
    get_destination(DestinationRef) -> Destination;
    /// A tenant's destinations, oldest first.
    list_destinations(ListDestinationsRequest) -> ListDestinationsResponse;
    /// Changes what is given.
    update_destination(UpdateDestinationRequest) -> Destination;
    /// Removes a destination.
    delete_destination(DestinationRef) -> Empty;
    /// Tries the connection without sending media.
    test_destination(DestinationRef) -> TestDestinationResponse;
    /// Wants the stream to run.
    start(StartRequest) -> StartResponse;
    /// Wants the stream not to run.
    stop(StreamRef) -> StopResponse;
    /// State of a stream and its destinations.
    get_status(StreamRef) -> StatusResponse;
    /// Health of a stream and its destinations.
    get_health(StreamRef) -> HealthResponse;
    /// Counters of a stream and its destinations.
    get_metrics(StreamRef) -> MetricsResponse;
    /// Brings a destination into the simulcast.
    attach_destination(AttachRequest) -> Destination;
    /// Takes a destination out of the simulcast.
    detach_destination(AttachRequest) -> Empty;
    /// Claims an idempotency key.
    begin_idempotent(BeginIdempotentRequest) -> BeginIdempotentResponse;
    /// Stores the answer under an idempotency key, or gives the key back.
    finish_idempotent(FinishIdempotentRequest) -> Empty;
}

calls! { vault:
    /// Stores or replaces a destination's stream key.
    put_stream_key(PutStreamKeyRequest) -> VaultEmpty;
    /// Removes every secret of a destination or a stream.
    delete_secrets(DeleteSecretsRequest) -> VaultEmpty;
    /// Makes a new ingest key.
    create_ingest_key(IngestKeyRequest) -> IngestKey;
    /// Shows the ingest key.
    reveal_ingest_key(IngestKeyRequest) -> IngestKey;
}

calls! { platforms:
    /// Which platforms are set up.
    list_platforms(PlatformsEmpty) -> PlatformList;
    /// Where a person allows access, and a new pending authorization.
    begin_link(BeginLinkRequest) -> BeginLinkResponse;
    /// Ends a pending authorization: the account is linked.
    finish_link(FinishLinkRequest) -> Account;
    /// A tenant's linked accounts.
    list_accounts(ListAccountsRequest) -> AccountList;
    /// Revokes and forgets an account's tokens.
    unlink(AccountRef) -> UnlinkResponse;
    /// Gets an account a new token now.
    refresh_token(AccountRef) -> Account;
    /// Facebook: the Pages of the account.
    list_pages(FeatureRef) -> PageList;
    /// Twitch: categories by name.
    search_categories(SearchCategoriesRequest) -> CategoryList;
    /// Twitch: the channel as it is now.
    get_channel(FeatureRef) -> Channel;
    /// Puts changed settings into effect where that is possible now.
    apply_settings(ApplySettingsRequest) -> ApplySettingsResponse;
    /// YouTube: keeps a picture, and shows it on the present broadcast.
    set_thumbnail(SetThumbnailRequest) -> PlatformsEmpty;
    /// HTML to embed the broadcast.
    get_embed(FeatureRef) -> Embed;
    /// Facebook: figures of the live video.
    get_insights(FeatureRef) -> Insights;
    /// Cloudflare: where to watch.
    get_playback(FeatureRef) -> Playback;
    /// Cloudflare: minutes viewed.
    get_analytics(AnalyticsRequest) -> Analytics;
}

impl Upstream {
    /// Clients of the services at these `http://host:port` URLs.
    ///
    /// # Errors
    /// A URL is not one.
    pub fn new(orchestrator: &str, credentials: &str, token: &SecretString) -> Result<Self, InvalidUrl> {
        Ok(Self {
            streams: StreamsClient::new(grpc::internal_channel(orchestrator, token)?),
            vault: VaultClient::new(grpc::internal_channel(credentials, token)?),
            platforms: PlatformsClient::new(grpc::internal_channel(credentials, token)?),
        })
    }

    /// Whether the orchestrator answers at all.
    pub async fn answers(&self, budget: Budget) -> bool {
        let nobody =
            v1::ListStreamsRequest { tenant_id: "gateway-probe".to_owned(), limit: 1, after_id: String::new() };
        self.list_streams(nobody, budget).await.is_ok()
    }
}

/// A stream of a tenant, as the orchestrator wants it named.
pub fn stream_ref(tenant: &TenantId, stream: domain::ids::StreamId) -> v1::StreamRef {
    v1::StreamRef { tenant_id: tenant.0.clone(), stream_id: stream.to_string() }
}

/// A destination of a tenant, as the orchestrator wants it named.
pub fn destination_ref(tenant: &TenantId, destination: domain::ids::DestinationId) -> v1::DestinationRef {
    v1::DestinationRef { tenant_id: tenant.0.clone(), destination_id: destination.to_string() }
}
