//! A token is what a client must show to an agent that listens to more than its own machine.

use axum::extract::{Request, State};
use axum::http::header;
use axum::middleware::Next;
use axum::response::Response;
use op_catalog::wire::{Problem, ProblemCode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Shared;
use super::answer::Refusal;

/// A bearer token, kept as its hash so that comparing takes the same time whatever is shown.
pub(crate) struct Token {
    hash: [u8; 32],
}

impl Token {
    /// The shortest token that is taken, in bytes.
    pub(crate) const MIN_BYTES: usize = 16;

    /// A token of this text.
    ///
    /// # Errors
    /// A text that is too short or has white space or control characters in it.
    pub(crate) fn new(text: &str) -> anyhow::Result<Self> {
        anyhow::ensure!(
            text.len() >= Self::MIN_BYTES,
            "a token needs at least {} bytes",
            Self::MIN_BYTES
        );
        anyhow::ensure!(
            text.bytes().all(|byte| byte.is_ascii_graphic()),
            "a token has visible ASCII characters only"
        );
        Ok(Self { hash: Sha256::digest(text.as_bytes()).into() })
    }

    fn is(&self, shown: &str) -> bool {
        let shown: [u8; 32] = Sha256::digest(shown.as_bytes()).into();
        self.hash.ct_eq(&shown).into()
    }
}

/// Lets a request pass that shows the token, or asks for the health alone.
pub(super) async fn demand(
    State(shared): State<Shared>,
    request: Request,
    next: Next,
) -> Result<Response, Refusal> {
    let is_open = request.uri().path() == "/v1/health";
    if let Some(token) = shared.token.as_ref().filter(|_| !is_open) {
        let shown =
            request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let shown = shown.and_then(|value| value.strip_prefix("Bearer "));
        let hint = "send `authorization: Bearer TOKEN` with the token of the agent's --token-file";
        match shown {
            None => {
                return Err(Problem::new(ProblemCode::TokenMissing, "this agent demands a token")
                    .hint(hint)
                    .into());
            }
            Some(shown) if !token.is(shown) => {
                return Err(Problem::new(ProblemCode::TokenWrong, "this is not the agent's token")
                    .hint(hint)
                    .into());
            }
            Some(_) => {}
        }
    }
    Ok(next.run(request).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_the_token() {
        let token = Token::new("0123456789abcdef").unwrap();
        for (shown, is_it) in [
            ("0123456789abcdef", true),
            ("0123456789abcde", false),
            ("", false),
            ("0123456789abcdeF", false),
        ] {
            assert_eq!(token.is(shown), is_it, "{shown}");
        }
        assert!(Token::new("short").is_err());
        assert!(Token::new("0123456789 abcdef").is_err());
    }
}
