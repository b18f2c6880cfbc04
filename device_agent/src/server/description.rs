//! The description is the API in OpenAPI: enough to write a client in any language.

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "device_agent",
        description = "Measures operations and networks on the device it runs on. Times are in milliseconds. \
                       What a device does not tell is null, never 0. Every error is a Problem.",
    ),
    components(schemas(op_catalog::wire::Problem, op_catalog::wire::Row, op_catalog::wire::Progress)),
    modifiers(&Bearer),
    security((), ("token" = [])),
)]
struct Description;

struct Bearer;

impl Modify for Bearer {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let scheme = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        openapi.components.get_or_insert_default().add_security_scheme("token", scheme);
    }
}

/// The description without its paths, which the routes add.
pub(super) fn openapi() -> utoipa::openapi::OpenApi {
    Description::openapi()
}
