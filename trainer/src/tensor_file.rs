//! A tensor file holds named tensors in the format safetensors, which every framework reads.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, ensure};
use tch::nn::VarStore;
use tch::{Device, Kind, Tensor};

/// Writes tensors by their names.
pub(crate) fn write<'a>(
    path: &Path,
    tensors: impl IntoIterator<Item = (&'a String, &'a Tensor)>,
) -> anyhow::Result<()> {
    let cannot = || format!("cannot write {}", path.display());
    let copies = tensors.into_iter().map(|(name, tensor)| {
        // The format knows one order of numbers, and no GPU.
        let copy = || tensor.f_detach()?.f_to_device(Device::Cpu)?.f_contiguous();
        Ok((name.as_str(), tch::no_grad(copy)?))
    });
    let copies: Vec<(&str, Tensor)> = copies.collect::<anyhow::Result<_>>().with_context(cannot)?;
    Tensor::write_safetensors(&copies, path).with_context(cannot)
}

/// The tensors of a file.
pub(crate) fn read(path: &Path) -> anyhow::Result<BTreeMap<String, Tensor>> {
    let tensors = Tensor::read_safetensors(path)
        .with_context(|| format!("cannot read {}", path.display()))?;
    Ok(tensors.into_iter().collect())
}

/// Writes the variables of a network, in the order of their names.
pub(crate) fn write_variables(path: &Path, store: &VarStore) -> anyhow::Result<()> {
    let variables: BTreeMap<String, Tensor> = store.variables().into_iter().collect();
    write(path, &variables)
}

/// Overwrites the variables of a network with those of a file, which must be exactly these.
pub(crate) fn load_variables(path: &Path, store: &VarStore) -> anyhow::Result<()> {
    let mut tensors = read(path)?;
    for (name, variable) in store.variables() {
        let tensor = tensors.remove(&name).with_context(|| {
            format!("{} has no `{name}`: it is of another network", path.display())
        })?;
        let (found, expected) = (tensor.size(), variable.size());
        ensure!(
            found == expected && tensor.kind() == Kind::Float,
            "{}: `{name}` is {:?} of {found:?}, but the network's is {expected:?}",
            path.display(),
            tensor.kind()
        );
        tch::no_grad(|| variable.shallow_clone().f_copy_(&tensor).map(drop))?;
    }
    match tensors.keys().next() {
        None => Ok(()),
        Some(name) => anyhow::bail!(
            "{} has `{name}`, which the network has not: it is of another one",
            path.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use tch::nn::{Init, VarStore};

    use super::*;

    fn store(names: &[&str]) -> VarStore {
        let store = VarStore::new(Device::Cpu);
        for name in names {
            let init = Init::Randn { mean: 0.0, stdev: 1.0 };
            let _ = store.root().sub("a").f_var(name, &[2, 3], init).unwrap();
        }
        store
    }

    #[test]
    fn variables_come_back_to_the_last_bit_and_others_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("weights.safetensors");
        let (one, other) = (store(&["x", "y"]), store(&["x", "y"]));
        write_variables(&path, &one).unwrap();
        load_variables(&path, &other).unwrap();
        for (name, tensor) in one.variables() {
            assert!(tensor.equal(&other.variables()[&name]), "{name}");
        }
        let error = load_variables(&path, &store(&["x", "z"])).unwrap_err().to_string();
        assert!(error.contains("has no `a.z`"), "{error}");
        let error = load_variables(&path, &store(&["x"])).unwrap_err().to_string();
        assert!(error.contains("has `a.y`"), "{error}");
    }
}
