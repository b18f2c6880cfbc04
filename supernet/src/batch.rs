//! A batch is some labelled images.

use tch::{Kind, Reduction, Tensor};

use crate::SupernetError;

/// Labelled images.
#[derive(Debug)]
pub struct Batch {
    /// Shape `[batch, channels, height, width]`, normalised.
    pub images: Tensor,
    /// Shape `[batch]`: the index of each image's class, as whole numbers of 64 bits.
    pub labels: Tensor,
}

/// Share of the target that goes to all classes alike (Szegedy et al., arXiv:1512.00567, section 7).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LabelSmoothing(f64);

impl LabelSmoothing {
    /// The whole target is the label: what architecture steps minimise (`gradient_step` of
    /// `nas_manager.py`).
    pub const NONE: Self = Self(0.0);

    /// A tenth, with which the weights of the published search are trained.
    pub const PUBLISHED: Self = Self(0.1);

    /// Smoothing of this share.
    ///
    /// # Errors
    /// A share that is not from 0 to below 1.
    pub fn new(share: f64) -> Result<Self, SupernetError> {
        if (0.0..1.0).contains(&share) {
            return Ok(Self(share));
        }
        let (what, expected) = ("the label smoothing", "from 0 to below 1");
        Err(SupernetError::OutOfRange { what, value: share, expected })
    }
}

/// Mean cross-entropy in nats. `scores` has the shape `[batch, classes]`; the result is a scalar. Labels may lie on
/// another device.
///
/// # Errors
/// What libtorch says of labels that are no classes.
pub fn cross_entropy(
    scores: &Tensor,
    labels: &Tensor,
    smoothing: LabelSmoothing,
) -> Result<Tensor, SupernetError> {
    // A reduction over classes is not for 16 bits.
    let scores = if scores.kind() == Kind::BFloat16 {
        scores.f_to_kind(Kind::Float)?
    } else {
        scores.shallow_clone()
    };
    let labels = labels.f_to_device(scores.device())?;
    Ok(scores.f_cross_entropy_loss(&labels, None::<Tensor>, Reduction::Mean, -100, smoothing.0)?)
}

/// Share of images whose class is among the `among` highest scores, of shape `[batch, classes]`. Labels may lie on
/// another device.
///
/// # Errors
/// What libtorch says, as of more scores than there are.
pub fn accuracy(scores: &Tensor, labels: &Tensor, among: i64) -> Result<f64, SupernetError> {
    tch::no_grad(|| {
        let (_, best) = scores.f_topk(among, 1, true, true)?;
        let labels = labels.f_to_device(scores.device())?;
        let right = best.f_eq_tensor(&labels.f_view([-1, 1])?)?;
        Ok(f64::try_from(
            right.f_any_dim(1, false)?.f_to_kind(Kind::Double)?.f_mean(Kind::Double)?,
        )?)
    })
}

/// The number of a scalar loss.
///
/// # Errors
/// A loss that is not finite.
pub(crate) fn finite(loss: &Tensor) -> Result<f64, SupernetError> {
    let value = f64::try_from(loss)?;
    if value.is_finite() { Ok(value) } else { Err(SupernetError::Loss(value)) }
}
