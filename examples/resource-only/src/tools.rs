//! The MCP server: a tool, a resource, and a tool for administrators. What each needs stands in `main.rs`.

use oauth_resource::Caller;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    Implementation, ListResourcesResult, PaginatedRequestParams, ReadResourceRequestParams,
    ReadResourceResponse, ReadResourceResult, Resource, ResourceContents, ServerCapabilities, ServerConfig,
};
use rmcp::schemars::{self, JsonSchema};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler, tool, tool_handler, tool_router};
use serde::Deserialize;

#[derive(Clone, Debug)]
pub(crate) struct Tools;

#[derive(Deserialize, JsonSchema)]
struct Text {
    /// What to count.
    text: String,
}

#[tool_router]
impl Tools {
    /// Counts words. Needs mcp:tools.
    #[tool(annotations(read_only_hint = true))]
    async fn count_words(&self, Parameters(Text { text }): Parameters<Text>) -> String {
        text.split_whitespace().count().to_string()
    }

    /// Says who you are to this server. Needs mcp:tools.
    #[tool(annotations(read_only_hint = true))]
    async fn whoami(&self, caller: Caller) -> String {
        format!("{} through {} with {}", caller.subject(), caller.client_id(), caller.scopes())
    }

    /// Would restart something. Needs mcp:admin.
    #[tool(annotations(destructive_hint = true))]
    async fn restart(&self, caller: Caller) -> String {
        format!("restarted for {}", caller.subject())
    }
}

const ABOUT: &str = "about://server";

#[tool_handler]
impl ServerHandler for Tools {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().enable_resources().build())
            .with_server_info(Implementation::new("resource-only", env!("CARGO_PKG_VERSION")))
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(vec![Resource::new(ABOUT, "about")]))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        if request.uri != ABOUT {
            return Err(ErrorData::resource_not_found("there is no such resource", None));
        }
        let text = "A server that shows how any issuer's tokens open it. Reading this needs mcp:resources.";
        Ok(ReadResourceResult::new(vec![ResourceContents::text(text, ABOUT)]).into())
    }
}
