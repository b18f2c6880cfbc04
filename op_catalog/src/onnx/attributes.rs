//! Attributes are the numbers of an ONNX node that are no tensors: kernel, stride, groups.

use crate::Primitive;
use crate::layer::{BATCH_NORM_EPSILON, Window};
use crate::onnx::proto::{ATTRIBUTE_FLOAT, ATTRIBUTE_INT, ATTRIBUTE_INTS, AttributeProto};

/// The attributes of the node that a primitive becomes.
pub(crate) fn attributes(primitive: Primitive) -> Vec<AttributeProto> {
    let window = |Window { kernel, stride, padding }| {
        vec![
            ints("kernel_shape", &[kernel; 2]),
            ints("pads", &[padding; 4]),
            ints("strides", &[stride; 2]),
        ]
    };
    match primitive {
        Primitive::Conv { kernel, stride, padding, groups, .. } => {
            let mut attributes = window(Window { kernel, stride, padding });
            attributes.push(int("group", groups.into()));
            attributes
        }
        Primitive::BatchNorm => vec![float("epsilon", BATCH_NORM_EPSILON)],
        Primitive::MaxPool(pool) => window(pool),
        Primitive::AveragePool(pool) => {
            let mut attributes = window(pool);
            attributes.push(int("count_include_pad", 0));
            attributes
        }
        Primitive::Linear => vec![int("transB", 1)],
        Primitive::HardSigmoid => vec![float("alpha", 1.0 / 6.0), float("beta", 0.5)],
        Primitive::Relu6
        | Primitive::Relu
        | Primitive::HardSwish
        | Primitive::GlobalAveragePool
        | Primitive::Add { .. }
        | Primitive::Scale { .. }
        | Primitive::ChannelShuffle { .. } => Vec::new(),
    }
}

/// A whole number.
pub(crate) fn int(name: &str, value: i64) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        i: value,
        r#type: ATTRIBUTE_INT,
        ..AttributeProto::default()
    }
}

/// Whole numbers.
pub(crate) fn ints(name: &str, values: &[u32]) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        ints: values.iter().map(|value| i64::from(*value)).collect(),
        r#type: ATTRIBUTE_INTS,
        ..AttributeProto::default()
    }
}

fn float(name: &str, value: f32) -> AttributeProto {
    AttributeProto {
        name: name.to_owned(),
        f: value,
        r#type: ATTRIBUTE_FLOAT,
        ..AttributeProto::default()
    }
}
