Console.Error.WriteLine("Mesh.ControlPlane: not built yet");
return 1;
