//! A step is a layer as libtorch runs it: the primitive with its weights.

use op_catalog::layer::{BATCH_NORM_EPSILON, BATCH_NORM_MOMENTUM, Window};
use op_catalog::{Layer, Primitive};
use tch::nn::{Init, Path};
use tch::{Kind, TchError, Tensor};
use torch_shim::{Clamp, MapWithMoments, NormalisedMap, Running};

use crate::plan::Target;
use crate::value::in_words;
use crate::{Dropout, Mode};

/// A layer that can be run.
#[derive(Debug)]
pub(crate) enum Step {
    Conv { weight: Tensor, bias: Option<Tensor>, stride: i64, padding: i64, groups: i64 },
    BatchNorm(BatchNorm),
    Linear { weight: Tensor, bias: Tensor },
    Plain(Plain),
}

/// The tensors of a normalisation, each of shape `[channels]`.
#[derive(Debug)]
pub(crate) struct BatchNorm {
    weight: Tensor,
    bias: Tensor,
    running_mean: Tensor,
    running_var: Tensor,
}

/// A layer without weights.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plain {
    Relu6,
    Relu,
    HardSwish,
    HardSigmoid,
    MaxPool(Window),
    AveragePool(Window),
    GlobalAveragePool,
    Add,
    Scale,
    ChannelShuffle { groups: i64 },
}

impl Step {
    /// The step of a layer; its weights become variables below the path, all zero.
    pub(crate) fn new(layer: &Layer, path: &Path) -> Result<Self, TchError> {
        let path = layer.name.split('.').fold(path.clone(), |path, part| path.sub(part));
        let [inputs, outputs] =
            [layer.input_map, layer.output_map].map(|map| i64::from(map.channels()));
        let zeros = |name: &str, shape: &[i64]| path.f_var(name, shape, Init::Const(0.0));
        let plain = match layer.primitive {
            Primitive::Conv { kernel, stride, padding, groups, bias } => {
                let [kernel, stride, padding, groups] =
                    [kernel, stride, padding, groups].map(i64::from);
                let weight = zeros("weight", &[outputs, inputs / groups, kernel, kernel])?;
                let bias = match bias {
                    op_catalog::layer::Bias::Absent => None,
                    op_catalog::layer::Bias::Present => Some(zeros("bias", &[outputs])?),
                };
                return Ok(Self::Conv { weight, bias, stride, padding, groups });
            }
            Primitive::BatchNorm => return BatchNorm::new(&path, outputs).map(Self::BatchNorm),
            Primitive::Linear => {
                let weight = zeros("weight", &[outputs, inputs])?;
                return Ok(Self::Linear { weight, bias: zeros("bias", &[outputs])? });
            }
            Primitive::Relu6 => Plain::Relu6,
            Primitive::Relu => Plain::Relu,
            Primitive::HardSwish => Plain::HardSwish,
            Primitive::HardSigmoid => Plain::HardSigmoid,
            Primitive::MaxPool(window) => Plain::MaxPool(window),
            Primitive::AveragePool(window) => Plain::AveragePool(window),
            Primitive::GlobalAveragePool => Plain::GlobalAveragePool,
            Primitive::Add { .. } => Plain::Add,
            Primitive::Scale { .. } => Plain::Scale,
            Primitive::ChannelShuffle { groups } => {
                Plain::ChannelShuffle { groups: i64::from(groups) }
            }
        };
        Ok(Self::Plain(plain))
    }

    /// Its weights, each with the last part of its name.
    pub(crate) fn weights(&self) -> Vec<(&'static str, &Tensor)> {
        match self {
            Self::Conv { weight, bias, .. } => std::iter::once(("weight", weight))
                .chain(bias.as_ref().map(|bias| ("bias", bias)))
                .collect(),
            Self::BatchNorm(BatchNorm { weight, bias, running_mean, running_var }) => vec![
                ("weight", weight),
                ("bias", bias),
                ("running_mean", running_mean),
                ("running_var", running_var),
            ],
            Self::Linear { weight, bias } => vec![("weight", weight), ("bias", bias)],
            Self::Plain(_) => Vec::new(),
        }
    }

    /// Runs it. The second input is there where the primitive takes one.
    pub(crate) fn run(
        &self,
        mut input: Tensor,
        second: Option<&Tensor>,
        target: Target,
        mode: Mode,
        dropout: Dropout,
    ) -> Result<Tensor, TchError> {
        match self {
            Self::Conv { weight, bias, stride, padding, groups } => {
                input.f_conv2d(weight, bias.as_ref(), *stride, *padding, 1, *groups)
            }
            Self::BatchNorm(normalisation) => normalisation.run(&input, mode),
            Self::Linear { weight, bias } => {
                let features = input.f_flatten(1, -1)?;
                let is_training = mode == Mode::Train;
                let kept = match dropout {
                    Dropout::NONE => features,
                    _ => features.f_dropout(dropout.probability(), is_training)?,
                };
                kept.f_linear(weight, Some(bias))
            }
            Self::Plain(plain) => plain.run(&mut input, second, target),
        }
    }
}

impl BatchNorm {
    fn new(path: &Path, channels: i64) -> Result<Self, TchError> {
        let learnt = |name: &str| path.f_var(name, &[channels], Init::Const(0.0));
        let remembered = |name: &str| path.f_zeros_no_train(name, &[channels]);
        Ok(Self {
            weight: learnt("weight")?,
            bias: learnt("bias")?,
            running_mean: remembered("running_mean")?,
            running_var: remembered("running_var")?,
        })
    }

    fn run(&self, input: &Tensor, mode: Mode) -> Result<Tensor, TchError> {
        let (mean, variance) = match mode {
            Mode::BatchStatistics => (None, None),
            Mode::Train | Mode::Evaluate => (Some(&self.running_mean), Some(&self.running_var)),
        };
        input.f_batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            mean,
            variance,
            mode != Mode::Evaluate,
            f64::from(BATCH_NORM_MOMENTUM),
            f64::from(BATCH_NORM_EPSILON),
            true,
        )
    }

    /// The same of what a fused convolution gave, to be applied by who reads it.
    pub(crate) fn run_fused(
        &self,
        convolved: &MapWithMoments,
        mode: Mode,
    ) -> Result<NormalisedMap, TchError> {
        let epsilon = f64::from(BATCH_NORM_EPSILON);
        if mode == Mode::Evaluate {
            let scale = self.weight.f_div(&self.running_var.f_add_scalar(epsilon)?.f_sqrt()?)?;
            let shift = self.bias.f_sub(&self.running_mean.f_mul(&scale)?)?;
            let map = convolved.map.shallow_clone();
            return Ok(NormalisedMap::new(map, scale, shift, Clamp::Unbounded));
        }
        let running = Running {
            mean: &self.running_mean,
            variance: &self.running_var,
            momentum: f64::from(BATCH_NORM_MOMENTUM),
        };
        let norm = torch_shim::BatchNorm {
            weight: &self.weight,
            bias: &self.bias,
            epsilon,
            running: (mode == Mode::Train).then_some(running),
        };
        convolved.normalise(&norm, Clamp::Unbounded).map_err(|error| in_words(&error))
    }
}

impl Plain {
    fn run(
        self,
        input: &mut Tensor,
        second: Option<&Tensor>,
        target: Target,
    ) -> Result<Tensor, TchError> {
        let second = || second.ok_or_else(|| TchError::Shape("it has one input".to_owned()));
        match (self, target) {
            (Self::Relu6, Target::Input) => input.f_relu6_(),
            (Self::Relu6, Target::New) => input.f_relu6(),
            (Self::Relu, Target::Input) => input.f_relu_(),
            (Self::Relu, Target::New) => input.f_relu(),
            (Self::Add, Target::Input) => input.f_add_(second()?),
            (Self::Add, Target::New) => input.f_add(second()?),
            (Self::HardSwish, _) => input.f_hardswish(),
            (Self::HardSigmoid, _) => input.f_hardsigmoid(),
            (Self::MaxPool(window), _) => {
                let [kernel, stride, padding] = lengths(window);
                input.f_max_pool2d(kernel, stride, padding, 1, false)
            }
            (Self::AveragePool(window), _) => {
                let [kernel, stride, padding] = lengths(window);
                input.f_avg_pool2d(kernel, stride, padding, false, false, None::<i64>)
            }
            (Self::GlobalAveragePool, _) => {
                input.f_mean_dim([2_i64, 3].as_slice(), true, None::<Kind>)
            }
            (Self::Scale, _) => input.f_mul(second()?),
            (Self::ChannelShuffle { groups }, _) => input.f_channel_shuffle(groups),
        }
    }
}

fn lengths(window: Window) -> [i64; 3] {
    [window.kernel, window.stride, window.padding].map(i64::from)
}
