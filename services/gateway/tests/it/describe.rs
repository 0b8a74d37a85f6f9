//! The API's description: complete, stable, rendered without anything from elsewhere.

use serde_json::Value;

use crate::harness::{Gateway, read};

/// Method and path of every described route.
pub fn routes() -> Vec<(String, String)> {
    let api = serde_json::to_value(gateway::router::description()).unwrap();
    let paths = api["paths"].as_object().unwrap().clone();
    let methods = |(path, item): (String, Value)| {
        let methods = item.as_object().unwrap().keys().map(|m| (m.to_uppercase(), path.clone())).collect::<Vec<_>>();
        methods.into_iter()
    };
    paths.into_iter().flat_map(methods).collect()
}

/// The code of an unknown id on a path.
pub fn missing(path: &str) -> &'static str {
    match path.split('/').nth(2) {
        Some("destinations") => "destination_not_found",
        Some("accounts") => "account_not_found",
        _ => "stream_not_found",
    }
}

#[tokio::test]
async fn the_description_is_what_was_reviewed() {
    let gateway = Gateway::start().await;
    let served = read(gateway.bare("GET", "/api/openapi.json")).await;
    assert_eq!(served.status, 200);
    assert_eq!(served.json["openapi"], "3.1.0");
    insta::assert_json_snapshot!("openapi", served.json);
}

#[test]
fn operation_ids_are_unique_and_answers_described() {
    let api = serde_json::to_value(gateway::router::description()).unwrap();
    let mut ids = std::collections::BTreeSet::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{method} {path}");
            assert!(!operation["summary"].as_str().unwrap_or("").is_empty(), "{method} {path}");
            for (status, response) in operation["responses"].as_object().unwrap() {
                assert!(response["description"].as_str().is_some_and(|d| d.len() > 1), "{method} {path} {status}");
            }
        }
    }
}

#[tokio::test]
async fn every_route_of_the_guide_is_described() {
    let routes = routes();
    for (method, path) in [
        ("GET", "/api/destinations"),
        ("POST", "/api/destinations"),
        ("GET", "/api/destinations/platforms/{platform}/auth-url"),
        ("POST", "/api/destinations/platforms/{platform}/exchange-token"),
        ("POST", "/api/simulcast/{id}/start"),
        ("POST", "/api/simulcast/{id}/stop"),
        ("GET", "/api/simulcast/{id}/status"),
        ("GET", "/api/simulcast/{id}/health"),
        ("GET", "/api/simulcast/{id}/metrics"),
        ("GET", "/api/simulcast/{id}/events"),
    ] {
        assert!(routes.contains(&(method.to_owned(), path.to_owned())), "{method} {path}");
    }
}

#[tokio::test]
async fn the_page_loads_nothing_from_elsewhere() {
    let gateway = Gateway::start().await;
    let redirect = read(gateway.bare("GET", "/api/docs")).await;
    assert_eq!((redirect.status, redirect.header("location")), (303, "/api/docs/"));
    let page = read(gateway.bare("GET", "/api/docs/")).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").contains("script-src 'self';"));
    assert!(!page.text.contains("http://") && !page.text.contains("https://"), "{}", page.text);
    let mut links = Vec::new();
    for attribute in ["src=\"", "href=\""] {
        links.extend(page.text.split(attribute).skip(1).filter_map(|rest| rest.split('"').next()));
    }
    assert!(links.len() >= 4, "{links:?}");
    for link in links {
        let path = format!("/api/docs/{}", link.trim_start_matches("./"));
        let asset = gateway.bare("GET", &path).send().await.unwrap();
        assert_eq!(asset.status(), 200, "{path}");
    }
    let start = read(gateway.bare("GET", "/api/docs/swagger-initializer.js")).await;
    assert!(start.text.contains("/api/openapi.json"), "{}", start.text);
}

#[tokio::test]
async fn every_code_has_a_page() {
    let pages = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/errors");
    for code in gateway::codes::ALL {
        let page = pages.join(format!("{code}.md"));
        let text = std::fs::read_to_string(&page).unwrap_or_else(|_| panic!("{} is missing", page.display()));
        assert!(text.starts_with(&format!("# `{code}`")), "{code}");
        for part in ["**Meaning.**", "**Cause.**", "**What to do.**"] {
            assert!(text.contains(part), "{code}: {part}");
        }
    }
}

#[tokio::test]
async fn the_people_who_run_it_have_their_endpoints() {
    let gateway = Gateway::start().await;
    assert_eq!(read(gateway.bare("GET", "/healthz")).await.status, 200);
    gateway.readiness.set("orchestrator", false);
    let unready = read(gateway.bare("GET", "/readyz")).await;
    assert_eq!((unready.status, &unready.json["failing"][0]), (503, &Value::from("orchestrator")));
    gateway.readiness.set("orchestrator", true);
    assert_eq!(read(gateway.bare("GET", "/readyz")).await.status, 200);
    assert_eq!(read(gateway.bare("GET", "/metrics")).await.status, 200);
}
