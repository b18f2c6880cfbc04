//! What the command-line programs of the workspace have in common: how they take what a user names, and how
//! they say what they found.
//!
//! [`resolve`] turns a space, a table or a network that is named on a command line into the thing itself.
//! [`output`] is data on stdout and notes on stderr, [`hint`] what a user can do about an error, and
//! [`picture`] a drawing as SVG and PNG.

pub mod hint;
pub mod output;
pub mod picture;
pub mod resolve;
