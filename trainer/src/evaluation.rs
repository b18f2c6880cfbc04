//! An evaluation says how well a network classifies images that it was not trained on.

use datasets::{Recipe, Split};
use op_catalog::Architecture;
use runs::Accuracy;
use supernet::{
    Batch, LabelSmoothing, Mode, SingleNetwork, Supernet, SupernetError, accuracy, cross_entropy,
};

use crate::images::{Feed, evaluation};
use crate::normalised_set::NormalisedSet;

/// Images in a batch: more take more memory, and are not faster.
const BATCH: usize = 250;

/// Training batches by which the running statistics of a path are found anew. Each counts a tenth of what is left:
/// nothing of what was there before remains.
const RECALIBRATION_BATCHES: u64 = 100;

/// Shares of right classes over a split's images, by the network's running statistics.
pub(crate) fn evaluate(
    network: &SingleNetwork,
    set: &NormalisedSet,
    split: Split,
    recipe: &Recipe,
) -> anyhow::Result<Accuracy> {
    let among = i64::try_from(set.classes().min(5))?;
    let (mut top1, mut top5, mut images) = (0.0, 0.0, 0.0);
    for batch in evaluation(set.images(split), set.evaluating(recipe)?, BATCH)? {
        let Batch { images: batch, labels } = batch?;
        let scores = tch::no_grad(|| network.scores(&batch, Mode::Evaluate))?;
        let count = labels.size()[0] as f64;
        top1 += count * accuracy(&scores, &labels, 1)?;
        top5 += count * accuracy(&scores, &labels, among)?;
        images += count;
    }
    Ok(Accuracy { top1: top1 / images, top5: top5 / images, images: images as u64 })
}

/// Finds the running statistics of a network anew, from the images that it is given: those of a supernet are of
/// all paths that went through its layers, and of none.
pub(crate) fn recalibrate(network: &SingleNetwork, feed: &mut Feed) -> anyhow::Result<()> {
    for number in 0..RECALIBRATION_BATCHES {
        let batch = feed.batch(number)?;
        let _scores = tch::no_grad(|| network.scores(&batch.images, Mode::Train))?;
    }
    Ok(())
}

/// Loss in nats and accuracy along a path, by the batch's own statistics, without a trace.
pub(crate) fn look(
    net: &Supernet,
    batch: &Batch,
    path: &Architecture,
) -> Result<(f64, f64), SupernetError> {
    tch::no_grad(|| {
        let scores = net.scores(&batch.images, path, Mode::BatchStatistics)?;
        let loss = cross_entropy(&scores, &batch.labels, LabelSmoothing::NONE)?;
        let loss = f64::try_from(loss)?;
        if !loss.is_finite() {
            return Err(SupernetError::Loss(loss));
        }
        Ok((loss, accuracy(&scores, &batch.labels, 1)?))
    })
}
