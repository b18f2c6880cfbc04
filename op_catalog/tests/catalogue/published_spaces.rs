//! The spaces of others are built as published: sizes, known networks, and a published table's rows.

use std::collections::BTreeSet;

use op_catalog::{
    Architecture, Cost, FeatureMap, Network, NetworkFile, Op, PlacedOp, SearchSpace, Shortcut,
    SpaceDefinition, proxyless_config,
};

fn space(name: &str, width_multiplier: f64) -> SearchSpace {
    let definition = SpaceDefinition::built_in(name).unwrap();
    definition.with_width_multiplier(width_multiplier).build().unwrap()
}

fn choices(space: &SearchSpace) -> Vec<usize> {
    space.edges().map(<[PlacedOp]>::len).collect()
}

fn log10_size(space: &SearchSpace) -> f64 {
    choices(space).into_iter().map(|count| (count as f64).log10()).sum()
}

fn offers_zero(edge: &[PlacedOp]) -> bool {
    edge.iter().any(|placed| placed.op() == Op::Zero)
}

/// Millions, with as many decimals as publications have.
fn millions(count: u64, decimals: usize) -> String {
    format!("{:.decimals$}", count as f64 / 1e6)
}

/// Five stages of up to four cells, nine blocks for each, the last two of which may be skipped. The
/// paper's 2 * 10^19 has 9^2 + 9^3 + 9^4 networks in a stage; here there are 9^2 * 10^2, because a
/// stage of three cells can skip its third or its fourth: the same network twice.
#[test]
fn once_for_all_has_twenty_cells_and_ten_of_them_may_be_skipped() {
    let space = space("ofa-mbv3", 1.0);
    assert_eq!(choices(&space), [9, 9, 10, 10].repeat(5));
    assert_eq!(format!("{:.2}", log10_size(&space)), "19.54");
    let zeros: Vec<bool> = space.edges().map(offers_zero).collect();
    assert_eq!(zeros, [false, false, true, true].repeat(5), "a depth of 2, 3 or 4");
}

#[test]
fn once_for_all_has_its_stem_and_head() {
    let fixed: Vec<String> = space("ofa-mbv3", 1.2).fixed().map(ToString::to_string).collect();
    assert_eq!(
        fixed,
        [
            "conv-k3-hs-in224x224x3-out112x112x24-s2",
            "mbconv-k3-e1-relu-in112x112x24-out112x112x24-s1-skip",
            "conv-k1-hs-in7x7x192-out7x7x1152-s1",
            "globalpool-in7x7x1152-out1x1x1152-s1",
            "conv-k1-nobn-hs-in1x1x1152-out1x1x1536-s1",
            "classifier-in1x1x1536-out1x1x1000-s1",
        ]
    );
}

/// Once-for-All's table for the Note10 at width multiplier 1.2 has a row for each operation of the
/// space, and no other.
#[test]
fn once_for_all_at_1_2_has_the_operations_of_its_published_table() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../shared/data/luts/ofa_note10/224_lookup_table.yaml"
    );
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("skipped: no {path}");
        return;
    };
    let keys =
        text.lines().filter(|line| !line.starts_with(' ')).map(|line| &line[..line.len() - 1]);
    let published: Vec<PlacedOp> = keys.map(published_operation).collect();
    let blocks = |op: &&PlacedOp| matches!(op.op(), Op::MbConv(_));
    assert_eq!((published.len(), published.iter().filter(blocks).count()), (96, 91));
    let distinct: BTreeSet<PlacedOp> = published.into_iter().collect();
    assert_eq!(distinct, space("ofa-mbv3", 1.2).placed_ops());
}

/// The operation of a key such as
/// `expanded_conv-input:7x7x192-output:7x7x192-expand:576-kernel:3-stride:1-idskip:1-se:1-hs:1`.
fn published_operation(key: &str) -> PlacedOp {
    let mut parts = key.split('-');
    let kind = parts.next().unwrap();
    let fields: Vec<&str> = parts.map(|part| part.split_once(':').unwrap().1).collect();
    let text = match (kind, &fields[..]) {
        ("expanded_conv", [input, output, middle, kernel, stride, skip, se, hs]) => {
            let is_ratio_one = input.split('x').nth(2) == Some(middle);
            let expansion = if is_ratio_one { "e1".to_owned() } else { format!("m{middle}") };
            let se = if *se == "1" { "-se" } else { "" };
            let activation = if *hs == "1" { "-hs" } else { "-relu" };
            let skip = if *skip == "1" { "-skip" } else { "" };
            format!(
                "mbconv-k{kernel}-{expansion}{se}{activation}-in{input}-out{output}-s{stride}{skip}"
            )
        }
        ("Conv", [input, output]) => format!("conv-k3-hs-in{input}-out{output}-s2"),
        ("Conv_1", [input, output]) => format!("conv-k1-hs-in{input}-out{output}-s1"),
        ("Conv_2", [input, output]) => format!("conv-k1-nobn-hs-in{input}-out{output}-s1"),
        ("AvgPool2D", [input, output]) => format!("globalpool-in{input}-out{output}-s1"),
        ("Logits", [input, classes]) => format!("classifier-in{input}-out1x1x{classes}-s1"),
        _ => panic!("{key}"),
    };
    text.parse().unwrap()
}

/// 22 edges of 9 choices, 10^21 networks (section 3.1 of the paper).
#[test]
fn fbnet_has_nine_choices_on_each_of_22_edges() {
    let space = space("fbnet", 1.0);
    assert_eq!(choices(&space), [9; 22]);
    assert_eq!(format!("{:.2}", log10_size(&space)), "20.99");
    for (index, edge) in space.edges().enumerate() {
        let changes_shape = edge[0].input() != edge[0].output();
        assert_eq!(changes_shape, [1, 5, 9, 13, 17, 21].contains(&index), "edge {index}");
        let skip = if changes_shape { "conv-k1-relu" } else { "zero" };
        assert_eq!(edge[8].op().to_string(), skip, "edge {index}");
    }
}

/// Blocks of FBNet-A, B and C as `fbnet_modeldef.py` of mobile-vision has them: kernel and ratio, `g`
/// for two groups at ratio 1, `--` for skip.
const FBNETS: [(&str, &str); 3] = [
    ("A", "-- 33 31 -- -- 56 33 51 33 56 53 5g 56 36 5g 51 3g 56 56 53 56 56"),
    ("B", "31 36 51 31 31 56 53 36 56 56 51 -- 53 56 31 51 53 56 51 56 56 36"),
    ("C", "31 36 -- 31 31 56 53 56 36 56 53 56 56 56 56 56 53 56 56 56 56 36"),
];

fn fbnet(space: &SearchSpace, blocks: &str) -> Network {
    let part = |parts: &[&str], found: &dyn Fn(&&str) -> bool| parts.iter().position(found);
    let index = |block: &str| {
        let kernel = part(&["3", "5"], &|kernel| block.starts_with(*kernel));
        let ratio = part(&["1", "g", "3", "6"], &|ratio| block.ends_with(*ratio));
        kernel.zip(ratio).map_or(8, |(kernel, ratio)| 4 * kernel + ratio)
    };
    space.network(&Architecture::new(blocks.split(' ').map(index).collect())).unwrap()
}

/// The paper counts 249 million multiply-accumulates for A and 295 for B; the model card of `timm`'s
/// `fbnetc_100` has 5.6 million parameters. The counts here are those of the published blocks, and
/// within a hundredth of these.
#[test]
fn published_fbnets_are_in_the_space_and_cost_what_their_blocks_do() {
    let space = space("fbnet", 1.0);
    let costs = FBNETS.map(|(name, blocks)| {
        let Cost { macs, parameters, .. } = fbnet(&space, blocks).cost();
        format!("{name} {} {}", millions(macs, 1), millions(parameters, 2))
    });
    assert_eq!(costs, ["A 247.7 4.91", "B 296.6 4.81", "C 385.0 5.57"]);
}

/// torchvision's `mobilenet_v3_large` has 5 483 032 parameters; 1280 of them are the bias of a linear
/// layer where Once-for-All has a convolution without one. It counts 216.6 million multiply-accumulates.
#[test]
fn mobilenet_v3_large_costs_what_torchvision_counts() {
    let network = mobilenet_v3_large();
    assert_eq!(network.cost().parameters, 5_483_032 - 1280);
    assert_eq!(millions(network.cost().macs, 1), "216.6");
}

#[test]
fn an_architecture_is_written_with_the_widths_of_its_edges_and_read_back() {
    for name in ["ofa-mbv3", "fbnet"] {
        let space = space(name, 1.0);
        for first in 0..9 {
            let count = space.edges().count();
            let choices: Vec<usize> = (first..first + count).map(|choice| choice % 9).collect();
            let architecture = Architecture::new(choices);
            let json = architecture.to_json(&space).unwrap();
            assert!(!json.contains("-x"), "{json}");
            assert_eq!(Architecture::from_json(&json, &space).unwrap(), architecture);
            let network = space.network(&architecture).unwrap();
            let file = NetworkFile::Network { name: name.to_owned(), network };
            assert_eq!(NetworkFile::parse(&file.to_json()).unwrap(), file);
        }
    }
}

#[test]
fn mobilenet_v3_cannot_be_written_as_a_net_config() {
    let error = proxyless_config::export(&mobilenet_v3_large()).unwrap_err().to_string();
    assert!(error.starts_with("not supported yet: "), "{error}");
    assert!(error.ends_with(", in a ProxylessNAS config"), "{error}");
}

/// Table 1 of arXiv:1905.02244: kernel, middle width, what else, width, stride.
fn mobilenet_v3_large() -> Network {
    let rows = [
        ("conv-k3-hs", 16, 2),
        ("mbconv-k3-e1-relu", 16, 1),
        ("mbconv-k3-m64-relu", 24, 2),
        ("mbconv-k3-m72-relu", 24, 1),
        ("mbconv-k5-m72-se-relu", 40, 2),
        ("mbconv-k5-m120-se-relu", 40, 1),
        ("mbconv-k5-m120-se-relu", 40, 1),
        ("mbconv-k3-m240-hs", 80, 2),
        ("mbconv-k3-m200-hs", 80, 1),
        ("mbconv-k3-m184-hs", 80, 1),
        ("mbconv-k3-m184-hs", 80, 1),
        ("mbconv-k3-m480-se-hs", 112, 1),
        ("mbconv-k3-m672-se-hs", 112, 1),
        ("mbconv-k5-m672-se-hs", 160, 2),
        ("mbconv-k5-m960-se-hs", 160, 1),
        ("mbconv-k5-m960-se-hs", 160, 1),
        ("conv-k1-hs", 960, 1),
        ("globalpool", 960, 1),
        ("conv-k1-nobn-hs", 1280, 1),
        ("classifier", 1000, 1),
    ];
    let mut end = "224x224x3".parse().unwrap();
    let blocks = rows.map(|(op, width, stride)| {
        let placed = PlacedOp::new(op.parse().unwrap(), end, width, stride).unwrap();
        end = placed.output();
        placed
    });
    Network::new(blocks.to_vec()).unwrap()
}

/// What comes into each edge and goes out.
fn shapes(space: &SearchSpace) -> Vec<(FeatureMap, FeatureMap)> {
    space.edges().map(|edge| (edge[0].input(), edge[0].output())).collect()
}

#[test]
fn the_example_of_many_kinds_adds_its_input_wherever_a_cell_preserves_the_shape() {
    let text = include_str!("../../../docs/examples/kinds-small.toml");
    let example = SpaceDefinition::from_toml(text).unwrap().build().unwrap();
    assert_eq!(shapes(&example), shapes(&space("proxyless-small", 1.0)));
    assert_eq!(choices(&example).iter().sum::<usize>(), 135);
    for placed in example.edges().flatten() {
        let adds = placed.input() == placed.output() && placed.op() != Op::Zero;
        assert_eq!(placed.shortcut() == Shortcut::Identity, adds, "{placed}");
    }
}

#[test]
fn the_example_of_a_space_has_the_candidates_of_fbnet_in_the_cells_of_proxyless_small() {
    let text = include_str!("../../../docs/examples/fbnet-small.toml");
    let example = SpaceDefinition::from_toml(text).unwrap().build().unwrap();
    let cells = space("proxyless-small", 1.0);
    assert_eq!(shapes(&example), shapes(&cells));
    // `fbnet` has a projection where a cell that is skipped changes the shape; the example has nothing there.
    assert_eq!(choices(&space("fbnet", 1.0)).iter().max(), choices(&example).iter().max());
    assert_eq!(choices(&example).iter().sum::<usize>(), 105);
}
